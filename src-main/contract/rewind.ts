import type { WriteRecord } from '#base/cause';
import type { KubeObject } from '#api/machinery/object';

/** A lab as it was. Revisions are the store's own; everything here reads, nothing writes. */

/** Resources whose objects the lab view shows, as `rewind.state` and `rewind.changes` name them. */
export type RewindResource =
  | 'nodes'
  | 'pods'
  | 'deployments'
  | 'replicasets'
  | 'statefulsets'
  | 'daemonsets'
  | 'jobs'
  | 'cronjobs'
  | 'services'
  | 'events'
  | 'leases';

export interface RewindMoment {
  readonly revision: number;
  /** By the lab's clock; absent when no record near it tells a time. */
  readonly timeMs?: number;
  /** Whether the revision itself tells its time; otherwise it lies between those of its neighbours. */
  readonly exact: boolean;
  /** Who wrote it, and why; absent when no record is kept, as of what the store deletes by itself. */
  readonly record?: WriteRecord;
}

export interface RewindRange {
  /** The oldest revision that can be shown: what was before is compacted. */
  readonly oldest: RewindMoment;
  readonly newest: RewindMoment;
}

export interface RewindChange {
  readonly resource: RewindResource;
  /** `metadata.uid` of the object. */
  readonly uid: string;
  /** Absent when it is created here, or when it was not asked for. */
  readonly before?: KubeObject;
  /** Absent when it is deleted here. */
  readonly after?: KubeObject;
}

/** One key that a revision put or deleted, whatever it holds. */
export interface RewindWrite {
  readonly type: 'PUT' | 'DELETE';
  readonly key: string;
  /** Bytes of the value; 0 for DELETE. */
  readonly size: number;
  readonly created: boolean;
}

/** One revision, and what it changed of what the lab view shows: often nothing. */
export interface RewindStep extends RewindMoment {
  readonly writes: readonly RewindWrite[];
  readonly changes: readonly RewindChange[];
}

export interface RewindChanges {
  /** The revision before the first step. */
  readonly base: RewindMoment;
  /** In order, without gaps, from the one asked for; fewer than asked for when they are many or large. */
  readonly steps: readonly RewindStep[];
  readonly newestRevision: number;
}

export type RewindItem =
  /** The first one. */
  | { readonly kind: 'moment'; readonly moment: RewindMoment }
  | { readonly kind: 'object'; readonly resource: RewindResource; readonly object: KubeObject };

/** What a person did, as a mark beside the slider. */
export interface RewindMark {
  readonly revision: number;
  readonly record: WriteRecord;
}

/** Neighbouring revisions, counted. */
export interface RewindSpan {
  readonly first: number;
  readonly last: number;
  /** Times of the first and the last record in it; absent when it has none. */
  readonly firstMs?: number;
  readonly lastMs?: number;
  /** Revisions that are more than the cluster's own pulse: not a lease, an event, or what nobody told of. */
  readonly changes: number;
  /** The last few writes in it that a person asked for. */
  readonly marks: readonly RewindMark[];
}
