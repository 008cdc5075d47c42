import type { KubeObject, WatchEvent } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { deepFreeze } from '#base/freeze';
import type { Logger } from '#base/logger';
import { Pacer } from '#base/pacer';
import type { EtcdClient, KeyValue, Revision, StoreEvent } from '#etcd/client';
import { decodeStored, withRevision, type DecodedObjects, type WriteMemory } from '../storage/object-codec.ts';
import { listPrefix } from '../storage/object-list.ts';
import { storageKey, type StoredResource } from '../storage/object-store.ts';
import { bookmark, CacheEvent, type Predicate } from './cache-event.ts';
import { CacheWatcher, type OpenWatch, type WatcherIdentity } from './cache-watcher.ts';
import { EventWindow } from './event-window.ts';
import { ObjectTable } from './object-table.ts';
import { RevisionGate } from './revision-gate.ts';
import { StoreFeed } from './store-feed.ts';

export interface CachedResource extends StoredResource {
  readonly apiVersion: string;
  readonly kind: string;
}

export interface WatchCacheOptions {
  /** How the store knows the cache's watch. */
  readonly watcherName?: string;
  readonly resource: CachedResource;
  readonly etcd: EtcdClient;
  readonly memory: WriteMemory;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Events kept for watches that start in the past. */
  readonly windowSize?: number;
  /** Frames that may wait for a slow watcher. */
  readonly bufferLimit?: number;
}

export interface WatchOptions {
  readonly who?: WatcherIdentity;
  readonly namespace: string;
  /** Set when the field selector pins the name. */
  readonly name?: string | undefined;
  readonly matches?: Predicate | undefined;
  /** Deliver changes after this revision; undefined: begin with the present state as ADDED frames. */
  readonly afterRevision?: number | undefined;
  /** Whether ADDED frames of the present state come first. */
  readonly initialEvents: boolean;
  /** Mark the end of the initial events with an annotated bookmark (WatchList). */
  readonly markInitialEventsEnd: boolean;
  readonly bookmarks: boolean;
  /** The watch ends after so long. */
  readonly timeoutMs: number;
}

export interface Snapshot {
  readonly revision: number;
  /** In key order. */
  readonly objects: KubeObject[];
}

const bookmarkPeriodMs = 60_000;

/**
 * The present of one resource, kept in memory by one watch on the store (upstream: the cacher of
 * `k8s.io/apiserver/pkg/storage/cacher`, release 1.36). Lists, gets and watches are answered from here; objects are decoded
 * once, or not at all when this server wrote them itself.
 *
 * Order: an event is first in the table and the window, then with the watchers, then {@link revision} moves on; a watch
 * registers without giving up the thread, so it sees each event exactly once, in the window or live.
 */
export class WatchCache implements DecodedObjects {
  readonly #options: WatchCacheOptions;
  readonly #feed: StoreFeed;
  readonly #table = new ObjectTable();
  readonly #watchers = new Set<CacheWatcher>();
  readonly #gate: RevisionGate;
  #window: EventWindow;
  #ready = false;
  #stopped = false;
  #lifetime: { context: Context; cancel: () => void } | undefined;

  constructor(options: WatchCacheOptions) {
    this.#options = options;
    this.#window = new EventWindow(options.windowSize ?? 4096, 0);
    const { etcd, clock, logger, resource, watcherName } = options;
    this.#gate = new RevisionGate(clock);
    this.#feed = new StoreFeed(
      { prefix: resource.keyPrefix, watcherName: watcherName ?? resource.keyPrefix, etcd, clock, logger },
      {
        replace: (kvs, at) => this.#replace(kvs, at),
        apply: (event) => this.#apply(event),
        advance: (at) => this.#gate.advance(at),
        interrupted: () => this.#interrupted(),
      },
    );
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  openWatches(): readonly OpenWatch[] {
    return [...this.#watchers].map((watcher) => watcher.describe());
  }

  get size(): number {
    return this.#table.size;
  }

  /** The store revision up to which the table is complete. */
  get revision(): number {
    return this.#gate.revision;
  }

  /** Fills the table and follows the store until `stop`. Throws when the store cannot be read. */
  async start(context: Context): Promise<void> {
    await this.#feed.list(context);
    if (this.#stopped) return;
    this.#lifetime = Context.background().withCancel();
    void this.#feed.follow(this.#lifetime.context);
    this.#scheduleBookmarks(this.#lifetime.context);
  }

  /** Ends every watch, for good. */
  stop(): void {
    this.#stopped = true;
    this.#ready = false;
    this.#lifetime?.cancel();
    this.#feed.close();
    this.#closeWatchers();
    this.#table.clear();
  }

  recall(key: string, modRevision: Revision): KubeObject | undefined {
    const object = this.#table.get(key);
    return object?.metadata.resourceVersion === String(modRevision) ? object : undefined;
  }

  /** The cached version, which may be stale. */
  peek(namespace: string, name: string): KubeObject | undefined {
    return this.#table.get(storageKey(this.#options.resource, namespace, name));
  }

  snapshot(namespace: string): Snapshot {
    return {
      revision: this.#gate.revision,
      objects: this.#table.withPrefix(listPrefix(this.#options.resource, namespace)),
    };
  }

  /** The present state, complete up to a revision the store had when the call was made. */
  async consistentSnapshot(context: Context, namespace: string): Promise<Snapshot> {
    await this.catchUp(context);
    return this.snapshot(namespace);
  }

  /** Waits until everything committed before the call is in the table. */
  async catchUp(context: Context): Promise<void> {
    this.#requireReady();
    await this.waitFor(context, await this.#feed.storeRevision(context));
  }

  /** Resolves when the table is at least as new as `wanted`. Throws Timeout (`Too large resource version`) after 3 s. */
  async waitFor(context: Context, wanted: number): Promise<void> {
    this.#requireReady();
    if (this.#gate.revision >= wanted) return;
    this.#feed.requestProgress();
    await this.#gate.wait(context, wanted);
  }

  /**
   * Opens a watch. Never gives up the thread, so that nothing falls between the initial events and the live ones. A start
   * before the window's reach gives one ERROR frame (410 Expired).
   */
  watch(context: Context, options: WatchOptions): AsyncIterable<WatchEvent> {
    this.#requireReady();
    const { resource, bufferLimit = 10_000 } = this.#options;
    const prefix = listPrefix(resource, options.namespace);
    const onlyKey = options.name === undefined ? undefined : this.#onlyKey(options.namespace, options.name);
    const initial = this.#initialFrames(options, prefix, onlyKey);
    const watcher = new CacheWatcher(
      {
        who: options.who ?? { user: '', userAgent: '' },
        namespace: options.namespace,
        sinceMs: this.#options.clock.now(),
        prefix,
        onlyKey,
        afterRevision: options.initialEvents ? 0 : (options.afterRevision ?? 0),
        predicate: options.matches,
        bookmarks: options.bookmarks,
        bufferLimit,
        onClose: () => {
          this.#watchers.delete(watcher);
          ending.dispose();
          timer.dispose();
        },
      },
      initial.frames,
    );
    const timer = this.#options.clock.setTimer(options.timeoutMs, () => watcher.close());
    const ending = context.onEnd(() => queueMicrotask(() => watcher.close()));
    if (initial.expired) watcher.close();
    else this.#watchers.add(watcher);
    for (const event of initial.missed) watcher.offer(event);
    return watcher.frames;
  }

  /** A name pins one key, unless the watch spans all namespaces of a namespaced resource. */
  #onlyKey(namespace: string, name: string): string | undefined {
    const { resource } = this.#options;
    return resource.namespaced && !namespace ? undefined : storageKey(resource, namespace, name);
  }

  #initialFrames(
    options: WatchOptions,
    prefix: string,
    onlyKey: string | undefined,
  ): { frames: WatchEvent[]; missed: readonly CacheEvent[]; expired: boolean } {
    const { afterRevision, matches } = options;
    const reach = this.#window.reachesBackTo;
    if (!options.initialEvents && afterRevision !== undefined) {
      if (afterRevision < reach) return { frames: [expiredFrame(afterRevision, reach)], missed: [], expired: true };
      return { frames: [], missed: this.#window.after(afterRevision), expired: false };
    }
    const frames: WatchEvent[] = [];
    if (options.initialEvents) {
      const objects = onlyKey === undefined ? this.#table.withPrefix(prefix) : [this.#table.get(onlyKey)];
      for (const object of objects) {
        if (object && (!matches || matches(object))) frames.push({ type: 'ADDED', object });
      }
    }
    if (options.markInitialEventsEnd) frames.push(this.#bookmark(true));
    return { frames, missed: [], expired: false };
  }

  #bookmark(initialEventsEnd: boolean): WatchEvent {
    const { apiVersion, kind } = this.#options.resource;
    return bookmark(apiVersion, kind, this.#gate.revision, initialEventsEnd);
  }

  #requireReady(): void {
    if (!this.#ready) throw new StatusError('ServiceUnavailable', 'storage is (re)initializing');
  }

  async #replace(kvs: readonly KeyValue[], at: Revision): Promise<void> {
    const pacer = new Pacer();
    this.#table.clear();
    for (const kv of kvs) {
      this.#table.set(kv.key, decodeStored(kv));
      await pacer.pace();
    }
    this.#window = new EventWindow(this.#options.windowSize ?? 4096, at);
    this.#gate.advance(at);
    this.#ready = true;
  }

  #interrupted(): void {
    this.#ready = false;
    this.#closeWatchers();
  }

  #apply(event: StoreEvent): void {
    const { key, modRevision } = event.kv;
    const previous = this.#table.get(key);
    let change: CacheEvent;
    if (event.type === 'DELETE') {
      if (!previous) return;
      this.#table.delete(key);
      change = new CacheEvent(key, modRevision, withRevision(previous, modRevision), previous, true);
    } else {
      const object = this.#options.memory.take(key, modRevision) ?? decodeStored(event.kv);
      this.#table.set(key, object);
      change = new CacheEvent(key, modRevision, object, previous, false);
    }
    // The table is whole again after each event of its own resource, so a snapshot may carry its revision.
    this.#window.push(change);
    for (const watcher of this.#watchers) watcher.offer(change);
    this.#gate.advance(modRevision);
  }

  #scheduleBookmarks(context: Context): void {
    const timer = this.#options.clock.setTimer(bookmarkPeriodMs, () => {
      if (context.ended) return;
      this.#scheduleBookmarks(context);
      void this.#sendBookmarks(context);
    });
    context.onEnd(() => timer.dispose());
  }

  async #sendBookmarks(context: Context): Promise<void> {
    const wanting = [...this.#watchers].filter((watcher) => watcher.bookmarks);
    if (wanting.length === 0 || !this.#ready) return;
    try {
      await this.catchUp(context);
    } catch (error) {
      this.#options.logger.debug('bookmark without catching up', { error: messageOf(error) });
    }
    const frame = this.#bookmark(false);
    // Never back before what a reader has from a server that was further.
    for (const watcher of wanting) if (watcher.afterRevision <= this.#gate.revision) watcher.send(frame);
  }

  #closeWatchers(): void {
    for (const watcher of [...this.#watchers]) watcher.close();
  }
}

function expiredFrame(asked: number, reach: number): WatchEvent {
  const error = new StatusError('Expired', `too old resource version: ${asked} (${reach})`);
  // The one frame whose object is a Status.
  return deepFreeze({ type: 'ERROR', object: error.toStatus() as unknown as KubeObject });
}
