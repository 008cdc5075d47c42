import type { KubeObject } from '#api/machinery/object';
import type { Status } from '#api/machinery/status';
import type { LabName, Empty } from './calls.ts';
import type { Fault } from './faults.ts';
import type { Lab, Task, Truth } from './labs.ts';
import type { RewindItem, RewindSpan } from './rewind.ts';
import type { SearchItem, SearchPlace, StoreChange } from './store.ts';
import type { LogChunk, PodExecItem, PodExecRequest, PodLogsRequest } from './streams.ts';

/**
 * `watch(name, request) -> stream`: the second of the contract's two shapes. A stream begins with an ADDED for everything
 * there is, then a BOOKMARK that says "that is all there is", then what changes. ERROR is the last event of a stream: on
 * reason Expired the reader watches again from the beginning, without telling the person.
 */
export type StreamEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK' }
  | { readonly type: 'ERROR'; readonly status: Status };

export interface ObjectsRequest extends LabName {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  /** Lower-case plural. */
  readonly resource: string;
  /** Absent for all namespaces. */
  readonly namespace?: string;
}

export interface Watches {
  /** By name. */
  labs: { request: Empty; item: Lab };
  /** By `metadata.uid`. The stream ends with an ERROR when the lab stops. */
  objects: { request: ObjectsRequest; item: KubeObject };
  /**
   * Every put and delete, each an ADDED; nothing is MODIFIED or DELETED. Begins at `fromRevision` (Expired when that was
   * compacted), or now; the BOOKMARK comes first then.
   */
  store: {
    request: LabName & { readonly prefix?: string; readonly fromRevision?: number };
    item: StoreChange;
  };
  /**
   * Keys and values under `prefix` that hold `text`, at one revision (default: now), as they are found; each item an ADDED,
   * the BOOKMARK is first. Ends with a progress that is `done`: after `limit` matches, or when everything was looked at.
   */
  'store.search': {
    request: LabName & {
      readonly text: string;
      readonly place: SearchPlace;
      readonly prefix?: string;
      readonly revision?: number;
      readonly limit: number;
    };
    item: SearchItem;
  };
  /** Every object as it was at `revision`, each an ADDED; then the BOOKMARK, then the end. Expired when it was compacted. */
  'rewind.state': { request: LabName & { readonly revision: number }; item: RewindItem };
  /**
   * The revisions `from` to `to` counted in about `spans` spans, each an ADDED, in order; then the BOOKMARK, then the end.
   * What is compacted is left out.
   */
  'rewind.writes': {
    request: LabName & { readonly from: number; readonly to: number; readonly spans: number };
    item: RewindSpan;
  };
  /** By `id`. Numbers are refreshed about once a second while they change. */
  components: { request: LabName; item: Truth };
  /** By `id`. */
  faults: { request: LabName; item: Fault };
  /** By `id`. */
  tasks: { request: LabName; item: Task };
  /** Chunks, each an ADDED; the BOOKMARK is first. Ends with the container, or when `previous` was read. */
  'pod.logs': { request: PodLogsRequest; item: LogChunk };
  /** Items, each an ADDED; the BOOKMARK is first. Closing the watch closes the terminal. */
  'pod.exec': { request: PodExecRequest; item: PodExecItem };
}

export type WatchName = keyof Watches;
export type WatchRequest<N extends WatchName> = Watches[N]['request'];
export type WatchItem<N extends WatchName> = Watches[N]['item'];
