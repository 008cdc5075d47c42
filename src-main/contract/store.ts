import type { WriteRecord } from '#base/cause';

/** What the UI sees of a lab's etcd. Revisions are etcd's numbers. */

export interface StoreKey {
  readonly key: string;
  readonly modRevision: number;
  /** Bytes of the value. */
  readonly size: number;
}

export interface StoreValue extends StoreKey {
  /** The decoded JSON; a string when the value is not JSON. */
  readonly value: unknown;
  readonly createRevision: number;
  /** Puts since the key was created. */
  readonly version: number;
  /** Hexadecimal, as etcdctl prints it; absent when the key has no lease. */
  readonly lease?: string;
  /** Who wrote `modRevision`, and why; absent when it was compacted. */
  readonly record?: WriteRecord;
}

export interface StoreRange {
  /** The store's revision when the answer was made. */
  readonly revision: number;
  /** In key order. */
  readonly keys: readonly StoreKey[];
  /** Keys under the prefix, also those past the limit. */
  readonly count: number;
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
