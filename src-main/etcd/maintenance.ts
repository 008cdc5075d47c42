import type { Context } from '#base/context';
import type { Revision } from './client.ts';

/**
 * What people and tools ask of a store beside its keys: etcd's Maintenance and Cluster services (etcd 3.4 to 3.6). The embedded
 * store and the client of a real etcd implement it. All calls throw EtcdError, or CancelledError when `context` ends first.
 */
export interface EtcdMaintenance {
  members(context: Context): Promise<readonly MemberStatus[]>;
  /** Checksum of all that member `endpoint` (default: the one that answers) keeps, whatever its revision. */
  hash(context: Context, endpoint?: string): Promise<{ readonly revision: Revision; readonly hash: number }>;
  /** Checksum of the key-values up to `revision` (default: the current one): equal on members that agree. */
  hashKv(context: Context, revision?: Revision, endpoint?: string): Promise<HashKv>;
  /** Gives unused space of the data file back to the disk. The store goes on serving, slower. */
  defragment(context: Context, endpoint?: string): Promise<void>;
  alarms(context: Context): Promise<readonly Alarm[]>;
  /** Idempotent. */
  disarm(context: Context, alarm: Alarm): Promise<readonly Alarm[]>;
  /** The whole store at one moment, as a file's bytes. */
  snapshot(context: Context): AsyncIterable<Uint8Array>;
  /** Who watches what; undefined where the store does not tell, as a real etcd. */
  watchers(context: Context): Promise<readonly WatcherStatus[] | undefined>;
}

export interface MemberStatus {
  /** Hexadecimal, as etcdctl prints it. */
  readonly id: string;
  readonly name: string;
  readonly clientUrls: readonly string[];
  readonly peerUrls: readonly string[];
  readonly isLeader: boolean;
  /** Absent when the member does not answer; `error` says why. */
  readonly version?: string;
  readonly dbSizeBytes?: number;
  readonly dbSizeInUseBytes?: number;
  readonly raftTerm?: number;
  readonly raftIndex?: number;
  readonly error?: string;
}

export interface HashKv {
  readonly revision: Revision;
  /** -1 when nothing was ever compacted. */
  readonly compactRevision: Revision;
  readonly hash: number;
}

export interface Alarm {
  readonly memberId: string;
  readonly type: 'NOSPACE' | 'CORRUPT';
}

export interface WatcherStatus {
  readonly id: number;
  /** As it named itself; empty when it did not. */
  readonly name: string;
  readonly key: string;
  readonly rangeEnd?: string;
  /** By the store's clock, milliseconds since 1970. */
  readonly sinceMs: number;
  /** Handed over so far. */
  readonly events: number;
  /** Revisions that the store has and the watcher was not handed yet. */
  readonly lagRevisions: number;
}
