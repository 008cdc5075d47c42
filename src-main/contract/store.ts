import type { WriteRecord } from '#base/cause';

/** What the UI sees of a lab's etcd, whichever it is. Revisions are etcd's numbers, sizes are bytes. */

export interface StoreKey {
  readonly key: string;
  readonly modRevision: number;
}

/** All keys that begin with `prefix`, which ends with a slash. */
export interface StoreBranch {
  readonly prefix: string;
  readonly keys: number;
}

/**
 * What lies directly under a prefix, in key order: keys, and branches where more than one slash follows. A leading slash
 * belongs to the first branch: under the empty prefix there are `/registry/`, `/drydock.io/` and `compact_rev_key`.
 */
export interface StoreLevel {
  /** What it was read at: every page of one level may have its own. */
  readonly revision: number;
  readonly entries: readonly (StoreKey | StoreBranch)[];
  /** First key that is not in here, when there are more: ask for the rest with `from`. */
  readonly next?: string;
}

/** A Secret's data: hidden until a person asks, with marks that differ where the data differs. */
export type Masking = 'none' | 'masked' | 'revealed';

export interface StoreValue extends StoreKey {
  /** The decoded JSON; a string when the value is not JSON. */
  readonly value: unknown;
  readonly size: number;
  /** The bytes, in base64; absent when they are masked or were not asked for. */
  readonly raw?: string;
  readonly masking: Masking;
  readonly createRevision: number;
  /** Puts since the key was created. */
  readonly version: number;
  /** Hexadecimal, as etcdctl prints it; absent when the key has no lease. */
  readonly lease?: string;
  /** Who wrote `modRevision`, and why; absent when nobody told or it was compacted. */
  readonly record?: WriteRecord;
}

/** One put or delete of a key. */
export interface StoreRevision {
  readonly modRevision: number;
  readonly type: 'PUT' | 'DELETE';
  /** 0 for DELETE, as `createRevision` and `size`. */
  readonly version: number;
  readonly createRevision: number;
  readonly size: number;
  readonly lease?: string;
  readonly record?: WriteRecord;
}

export interface StoreHistory {
  /** Newest first. */
  readonly revisions: readonly StoreRevision[];
  /** Ask for older ones with `before` the last one's `modRevision`. */
  readonly more: boolean;
  /** Older revisions than this are compacted. */
  readonly compactRevision: number;
}

/** One put or delete, as the stream shows it. */
export interface StoreChange {
  readonly revision: number;
  readonly type: 'PUT' | 'DELETE';
  readonly key: string;
  /** Bytes of the value; 0 for DELETE. */
  readonly size: number;
  /** True when the key did not exist before. */
  readonly created: boolean;
  readonly record?: WriteRecord;
}

/** Where a search looks: letters are the same in both cases. */
export type SearchPlace = 'keys' | 'values' | 'both';

export type SearchItem =
  | {
      readonly kind: 'match';
      readonly key: string;
      readonly modRevision: number;
      readonly size: number;
      readonly in: 'key' | 'value';
      /** The text around the match; its middle is empty inside a Secret, whose data is not shown. */
      readonly before: string;
      readonly match: string;
      readonly after: string;
    }
  /** The last one says `done`; `more` when there are matches past the limit. */
  | {
      readonly kind: 'progress';
      readonly revision: number;
      readonly scanned: number;
      readonly total: number;
      readonly matches: number;
      readonly done: boolean;
      readonly more: boolean;
    };

export interface StoreLease {
  /** Hexadecimal, as etcdctl prints it. */
  readonly id: string;
  readonly grantedTtlSeconds: number;
  readonly remainingTtlSeconds: number;
  readonly keys: readonly string[];
  /** Also those that are not in `keys`. */
  readonly keyCount: number;
}

export interface StoreLeases {
  /** The lab clock's time of the answer. */
  readonly nowMs: number;
  /** The first to run out first. */
  readonly leases: readonly StoreLease[];
  /** Also those that are not in `leases`. */
  readonly count: number;
}

export interface StoreWatcher {
  /** Unique among the watchers of its kind while the lab runs. */
  readonly id: string;
  /** As it named itself; empty when it did not. */
  readonly name: string;
  readonly key: string;
  readonly rangeEnd?: string;
  readonly sinceMs: number;
  readonly events: number;
  /** Revisions the store has and the watcher was not handed yet. */
  readonly lagRevisions: number;
}

export interface StoreWatchers {
  readonly nowMs: number;
  /** Absent where the store does not tell. */
  readonly watchers?: readonly StoreWatcher[];
  /** Whether `watchers` are all there are: a real etcd names nobody, so that only those of this host are known. */
  readonly complete: boolean;
  /** Watches that the API servers of this host have open. */
  readonly apiWatches: readonly ApiWatch[];
}

/** One open watch of an API server: each of them is fed from the one watch that the API server has on its store. */
export interface ApiWatch {
  readonly id: string;
  /** `pods`, `deployments.apps`. */
  readonly resource: string;
  /** Empty for all namespaces. */
  readonly namespace: string;
  readonly user: string;
  readonly userAgent: string;
  readonly sinceMs: number;
  readonly events: number;
  /** Events that wait to be read. */
  readonly queued: number;
}

export interface StoreMember {
  /** Hexadecimal, as etcdctl prints it. */
  readonly id: string;
  readonly name: string;
  readonly endpoint: string;
  readonly isLeader: boolean;
  readonly version?: string;
  readonly dbSizeBytes?: number;
  readonly dbSizeInUseBytes?: number;
  readonly raftTerm?: number;
  readonly raftIndex?: number;
  /** Why it does not answer. */
  readonly error?: string;
}

/** Files and addresses for etcdctl, none of them secret in itself. */
export interface StoreAccess {
  /** One, or several with commas between them. */
  readonly endpoint: string;
  /** Absent for a store in clear text, `cert` and `key` also for one that asks for no client certificate. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface StoreStatus {
  readonly kind: 'embedded' | 'local' | 'external';
  readonly revision: number;
  /** 0 when nothing was ever compacted. */
  readonly compactRevision: number;
  readonly keys: number;
  readonly dbSizeBytes: number;
  readonly dbSizeInUseBytes: number;
  readonly members: readonly StoreMember[];
  /** `NOSPACE` or `CORRUPT`, with the member's id. */
  readonly alarms: readonly { readonly memberId: string; readonly type: string }[];
  readonly access: StoreAccess;
}

/** What a compaction or defragmentation changed. */
export interface StoreUpkeep {
  readonly before: Pick<StoreStatus, 'compactRevision' | 'dbSizeBytes' | 'dbSizeInUseBytes'>;
  readonly after: Pick<StoreStatus, 'compactRevision' | 'dbSizeBytes' | 'dbSizeInUseBytes'>;
  readonly elapsedMs: number;
}
