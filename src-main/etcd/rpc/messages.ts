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

export interface MemberMessage {
  readonly ID: Int64;
}

export interface MemberAddMessage {
  readonly peerURLs: readonly string[];
  readonly isLearner: boolean;
}

export interface MemberUpdateMessage extends MemberMessage {
  readonly peerURLs: readonly string[];
}

export interface AlarmMessage {
  /** 0 get, 1 activate, 2 deactivate. */
  readonly action: number;
  /** 0: every member's. */
  readonly memberID: Int64;
  /** 0 all, 1 no space, 2 corrupt. */
  readonly alarm: number;
}

export interface HashKvMessage {
  readonly revision: Int64;
}

export interface MoveLeaderMessage {
  readonly targetID: Int64;
}

export interface DowngradeMessage {
  /** 0 validate, 1 enable, 2 cancel. */
  readonly action: number;
  readonly version: string;
}

export interface UserMessage {
  readonly name: string;
}

export interface HealthCheckMessage {
  readonly service: string;
}

export interface LockMessage {
  readonly name: Uint8Array;
  readonly lease: Int64;
}

export interface UnlockMessage {
  readonly key: Uint8Array;
}

export interface CampaignMessage extends LockMessage {
  readonly value: Uint8Array;
}

/** What a campaign was answered with: its place in the line. */
export interface LeaderKeyMessage {
  readonly name: Uint8Array;
  readonly key: Uint8Array;
  readonly rev: Int64;
  readonly lease: Int64;
}

export interface ProclaimMessage {
  readonly leader?: LeaderKeyMessage;
  readonly value: Uint8Array;
}

export interface ResignMessage {
  readonly leader?: LeaderKeyMessage;
}

export interface LeaderMessage {
  readonly name: Uint8Array;
}
