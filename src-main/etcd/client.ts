import type { Context } from '#base/context';
import { CodedError } from '#base/errors';

/**
 * What the API server needs of a store, in etcd's own terms (etcd v3 API). The embedded store implements it in process; a
 * gRPC client to a real etcd can implement it too. Everything that is read back is immutable.
 */

declare const revisionBrand: unique symbol;
/** etcd's number of a transaction. Never a `resourceVersion`, which is its opaque text. */
export type Revision = number & { readonly [revisionBrand]: true };
export function revision(value: number): Revision {
  return value as Revision;
}

/** etcd's int64; {@link noLease} for none. People see it as {@link leaseText}. */
export type LeaseId = bigint;
export const noLease: LeaseId = 0n;
/** Hexadecimal, as etcdctl prints and reads it: `694d81d3eb9ca018`. */
export function leaseText(id: LeaseId): string {
  return BigInt.asUintN(64, id).toString(16).padStart(16, '0');
}

export interface KeyValue {
  /** Text. Bytes that are no UTF-8, which only other etcd clients write, are the lone surrogates U+DC80 to U+DCFF. */
  readonly key: string;
  /** UTF-8 JSON for everything the API server writes. Do not change the bytes. */
  readonly value: Uint8Array;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  /** Puts since the key was created: 1 for a new key. */
  readonly version: number;
  /** Lease the key is attached to. */
  readonly lease: LeaseId;
}

export interface RangeRequest {
  /** Never empty, here and in all requests but a watch: the first key there can be is `\\0`. */
  readonly key: string;
  /** First key after the range; `\\0` for no end. Absent: only `key`. See {@link prefixEnd}. */
  readonly rangeEnd?: string;
  /** Read at this revision; absent for now. */
  readonly revision?: Revision;
  /** At most so many; absent for all. */
  readonly limit?: number;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
  /**
   * Absent: by key, ascending. `none` as etcd's NONE: by key, and by another target ascending, but of the first `limit` + 1
   * keys only.
   */
  readonly sort?: {
    readonly order: 'none' | 'ascend' | 'descend';
    readonly target: 'key' | 'version' | 'create' | 'mod' | 'value';
  };
  /** Only key-values whose revision lies in these bounds, both included; 0 for none. `count` does not heed them. */
  readonly minModRevision?: Revision;
  readonly maxModRevision?: Revision;
  readonly minCreateRevision?: Revision;
  readonly maxCreateRevision?: Revision;
  /** Any member may answer from what it has, which may be old. */
  readonly serializable?: boolean;
}

export interface RangeResponse {
  /** The store's revision when the answer was made. */
  readonly revision: Revision;
  /** In key order, unless sorted otherwise. */
  readonly kvs: readonly KeyValue[];
  /** Keys in the range, also those past `limit` and outside of the bounds. */
  readonly count: number;
  /** Whether `limit` left keys out. */
  readonly more: boolean;
}

/**
 * A condition on one key, or on every key of a range. A missing key counts as revision 0, version 0, lease 0; a comparison
 * with its value is always false.
 */
export type Compare = { readonly key: string; readonly rangeEnd?: string; readonly result: '=' | '!=' | '>' | '<' } & (
  | { readonly target: 'mod'; readonly modRevision: Revision }
  | { readonly target: 'create'; readonly createRevision: Revision }
  | { readonly target: 'version'; readonly version: number }
  | { readonly target: 'lease'; readonly lease: LeaseId }
  | { readonly target: 'value'; readonly value: Uint8Array }
);

export type Operation =
  | {
      readonly type: 'put';
      readonly key: string;
      readonly value: Uint8Array;
      readonly lease?: LeaseId;
      readonly prevKv?: boolean;
      /** Keeps the value, or the lease, that is there; INVALID_ARGUMENT when the key is not. */
      readonly ignoreValue?: boolean;
      readonly ignoreLease?: boolean;
    }
  | { readonly type: 'delete'; readonly key: string; readonly rangeEnd?: string; readonly prevKv?: boolean }
  | ({ readonly type: 'range' } & RangeRequest)
  | ({ readonly type: 'txn' } & TxnRequest);

export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly Operation[];
  readonly failure: readonly Operation[];
  /** Opaque text kept beside the revision this transaction makes (who wrote, and why); read back by `records`. */
  readonly record?: string;
}

/** `revision`: what a read at this point of the transaction would have been told. */
export type OperationResponse =
  | { readonly type: 'put'; readonly revision: Revision; readonly prevKv?: KeyValue }
  | {
      readonly type: 'delete';
      readonly revision: Revision;
      readonly deleted: number;
      readonly prevKvs: readonly KeyValue[];
    }
  | ({ readonly type: 'range' } & RangeResponse)
  | ({ readonly type: 'txn' } & TxnResponse);

export interface TxnResponse {
  /** The revision the transaction made; the current one when it wrote nothing. */
  readonly revision: Revision;
  readonly succeeded: boolean;
  readonly responses: readonly OperationResponse[];
}

export interface StoreEvent {
  readonly type: 'PUT' | 'DELETE';
  /** For DELETE: key and modRevision of the tombstone, empty value. */
  readonly kv: KeyValue;
  readonly prevKv?: KeyValue;
}

export interface WatchRequest {
  /** Empty means `\\0`, as for etcd. */
  readonly key: string;
  readonly rangeEnd?: string;
  /** First revision to deliver; absent for "from now on". */
  readonly startRevision?: Revision;
  readonly prevKv?: boolean;
  /** Leaves out puts, or deletes. */
  readonly noPut?: boolean;
  readonly noDelete?: boolean;
  /** Who watches, for people: `kube-apiserver/master-1 pods`, `etcdctl from 127.0.0.1:40112`. */
  readonly name?: string;
}

/** Events of one or more whole revisions, in order. An empty `events` is a progress note: nothing was missed up to `revision`. */
export interface WatchResponse {
  readonly revision: Revision;
  readonly events: readonly StoreEvent[];
}

export interface Watcher {
  /** Throws EtcdError COMPACTED when `startRevision` is gone. Ends when the watcher is closed or the store stops. */
  readonly responses: AsyncIterable<WatchResponse>;
  /** Asks for a progress note after everything that is already committed. */
  requestProgress(): void;
  close(): void;
}

export interface LeaseStatus {
  readonly id: LeaseId;
  readonly grantedTtlSeconds: number;
  /** -1 when the lease is gone. */
  readonly remainingTtlSeconds: number;
  readonly keys: readonly string[];
}

export interface StoreStatus {
  readonly revision: Revision;
  readonly compactRevision: Revision;
  /** Live keys. */
  readonly keys: number;
  readonly watchers: number;
  /** Bytes of the data file, and of that in use. */
  readonly dbSizeBytes: number;
  readonly dbSizeInUseBytes: number;
}

export type EtcdErrorCode =
  | 'COMPACTED'
  | 'FUTURE_REVISION'
  | 'LEASE_NOT_FOUND'
  | 'LEASE_EXISTS'
  | 'NO_SPACE'
  | 'CORRUPT'
  | 'DUPLICATE_KEY'
  | 'INVALID_ARGUMENT'
  /** Nobody carried it out. */
  | 'UNAVAILABLE'
  /** No answer in time, or the connection broke on the way: a write may have been made or not. */
  | 'TIMEOUT';

export class EtcdError extends CodedError<EtcdErrorCode> {
  override readonly name = 'EtcdError';
}

/** All calls throw {@link EtcdError}, or CancelledError when `context` ends first. */
export interface EtcdClient {
  range(context: Context, request: RangeRequest): Promise<RangeResponse>;
  /** On disk before it resolves. A failed compare is a value (`succeeded: false`), not an error. */
  txn(context: Context, request: TxnRequest): Promise<TxnResponse>;
  /** Ends with `context`. */
  watch(context: Context, request: WatchRequest): Watcher;
  /** `physical`: resolves when what was given up is gone from the disk as well. */
  compact(context: Context, revision: Revision, options?: { readonly physical?: boolean }): Promise<void>;
  leaseGrant(context: Context, ttlSeconds: number, id?: LeaseId): Promise<LeaseStatus>;
  leaseKeepAlive(context: Context, id: LeaseId): Promise<LeaseStatus>;
  leaseRevoke(context: Context, id: LeaseId): Promise<void>;
  leaseTimeToLive(context: Context, id: LeaseId): Promise<LeaseStatus>;
  leases(context: Context): Promise<readonly LeaseId[]>;
  /** What was kept beside the revisions `from` to `to`, both included, in order; compacted ones are left out. */
  records(context: Context, from: Revision, to: Revision): Promise<readonly { revision: Revision; record: string }[]>;
  status(context: Context): Promise<StoreStatus>;
}

/**
 * The `rangeEnd` that makes `prefix` a prefix range: the prefix with its last code point replaced by the next one, which is
 * right in etcd's byte order as well. Empty prefix: every key.
 */
export function prefixEnd(prefix: string): string {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last < 0x10_ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return '\0';
}
