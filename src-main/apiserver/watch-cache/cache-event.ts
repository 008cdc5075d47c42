import type { KubeObject, WatchEvent } from '#api/machinery/object';
import { deepFreeze } from '#base/freeze';

export type Predicate = (object: KubeObject) => boolean;

/**
 * One change of one object, shared by every watcher. Its frames are made at most once each, so that a frame is encoded once
 * however many watchers get it.
 *
 * A watcher with a selector sees a change from inside its own window: an object that starts to match is ADDED, one that
 * stops matching is DELETED, whatever happened in the store.
 */
export class CacheEvent {
  readonly key: string;
  readonly revision: number;
  /** The state after the change; for a deletion the last state, with the deletion's resourceVersion. */
  readonly object: KubeObject;
  /** The state before the change. */
  readonly previous: KubeObject | undefined;
  readonly deleted: boolean;
  #added: WatchEvent | undefined;
  #modified: WatchEvent | undefined;
  #removed: WatchEvent | undefined;

  constructor(key: string, revision: number, object: KubeObject, previous: KubeObject | undefined, deleted: boolean) {
    this.key = key;
    this.revision = revision;
    this.object = object;
    this.previous = previous;
    this.deleted = deleted;
  }

  /** The frame for a watcher that sees what matches `predicate`; undefined when the change happens out of its sight. */
  frameFor(predicate: Predicate | undefined): WatchEvent | undefined {
    const now = !this.deleted && (!predicate || predicate(this.object));
    const before = this.previous !== undefined && (!predicate || predicate(this.previous));
    if (now && before) return (this.#modified ??= frame('MODIFIED', this.object));
    if (now) return (this.#added ??= frame('ADDED', this.object));
    if (before) return (this.#removed ??= frame('DELETED', this.#lastState()));
    return undefined;
  }

  /** What a watcher is told of an object that left its sight: the state it knew, at the revision of the change. */
  #lastState(): KubeObject {
    if (this.deleted || !this.previous) return this.object;
    const { previous } = this;
    return deepFreeze({
      ...previous,
      metadata: { ...previous.metadata, resourceVersion: String(this.revision) },
    });
  }
}

function frame(type: WatchEvent['type'], object: KubeObject): WatchEvent {
  return Object.freeze({ type, object });
}

/** A frame that only moves the reader's resourceVersion on. */
export function bookmark(apiVersion: string, kind: string, revision: number, initialEventsEnd: boolean): WatchEvent {
  const annotations = initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
  const metadata = { resourceVersion: String(revision), ...annotations };
  return deepFreeze({ type: 'BOOKMARK', object: { kind, apiVersion, metadata } });
}
