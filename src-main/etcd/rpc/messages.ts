/** The requests of schema.ts as they come out of decodeMessage. Field names are those of the wire format. */

/** An int64 in decimal. */
export type Int64 = string;

export interface RangeMessage {
  readonly key: Uint8Array;
  readonly range_end: Uint8Array;
  readonly limit: Int64;
  readonly revision: Int64;
  /** 0 none, 1 ascending, 2 descending. */
  readonly sort_order: number;
  /** 0 key, 1 version, 2 create revision, 3 mod revision, 4 value. */
  readonly sort_target: number;
  readonly serializable: boolean;
  readonly keys_only: boolean;
  readonly count_only: boolean;
  readonly min_mod_revision: Int64;
  readonly max_mod_revision: Int64;
  readonly min_create_revision: Int64;
  readonly max_create_revision: Int64;
}

export interface PutMessage {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: Int64;
  readonly prev_kv: boolean;
  readonly ignore_value: boolean;
  readonly ignore_lease: boolean;
}

export interface DeleteRangeMessage {
  readonly key: Uint8Array;
  readonly range_end: Uint8Array;
  readonly prev_kv: boolean;
}

export interface RequestOpMessage {
  readonly request_range?: RangeMessage;
  readonly request_put?: PutMessage;
  readonly request_delete_range?: DeleteRangeMessage;
  readonly request_txn?: TxnMessage;
}

export interface CompareMessage {
  /** 0 equal, 1 greater, 2 less, 3 not equal. */
  readonly result: number;
  /** 0 version, 1 create revision, 2 mod revision, 3 value, 4 lease. */
  readonly target: number;
  readonly key: Uint8Array;
  readonly range_end: Uint8Array;
  readonly version?: Int64;
  readonly create_revision?: Int64;
  readonly mod_revision?: Int64;
  readonly value?: Uint8Array;
  readonly lease?: Int64;
}

export interface TxnMessage {
  readonly compare: readonly CompareMessage[];
  readonly success: readonly RequestOpMessage[];
  readonly failure: readonly RequestOpMessage[];
}

export interface CompactionMessage {
  readonly revision: Int64;
  readonly physical: boolean;
}

export interface WatchCreateMessage {
  readonly key: Uint8Array;
  readonly range_end: Uint8Array;
  readonly start_revision: Int64;
  readonly progress_notify: boolean;
  /** 0 no puts, 1 no deletions. */
  readonly filters: readonly number[];
  readonly prev_kv: boolean;
  readonly watch_id: Int64;
  readonly fragment: boolean;
}

export interface WatchMessage {
  readonly create_request?: WatchCreateMessage;
  readonly cancel_request?: { readonly watch_id: Int64 };
  readonly progress_request?: object;
}

export interface LeaseMessage {
  readonly ID: Int64;
}

export interface LeaseGrantMessage extends LeaseMessage {
  readonly TTL: Int64;
}

export interface LeaseTimeToLiveMessage extends LeaseMessage {
  readonly keys: boolean;
}
