import type { KubeObject, WatchEvent } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import { deepFreeze } from '#base/freeze';
import type { Logger } from '#base/logger';
import { Pacer } from '#base/pacer';
import { prefixEnd, revision, type EtcdClient, type Revision, type StoreEvent, type Watcher } from '#etcd/client';
import { fromStore, tooLargeResourceVersion } from '../storage/errors.ts';
import { decodeStored, withRevision, type DecodedObjects, type WriteMemory } from '../storage/object-codec.ts';
import { listPrefix } from '../storage/object-list.ts';
import { storageKey, type StoredResource } from '../storage/object-store.ts';
import { bookmark, CacheEvent, type Predicate } from './cache-event.ts';
import { CacheWatcher } from './cache-watcher.ts';
import { EventWindow } from './event-window.ts';
import { ObjectTable } from './object-table.ts';

export interface CachedResource extends StoredResource {
  readonly apiVersion: string;
  readonly kind: string;
}

export interface WatchCacheOptions {
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
const relistDelayMs = 1_000;
/** How long a read waits for the cache to reach its revision (upstream: `blockTimeout` of the cacher). */
const freshnessTimeoutMs = 3_000;

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
  readonly #table = new ObjectTable();
  readonly #watchers = new Set<CacheWatcher>();
  readonly #freshnessWaiters = new Set<{ readonly revision: number; readonly resolve: () => void }>();
  #window: EventWindow;
  #revision = 0;
  #ready = false;
  #storeWatch: Watcher | undefined;
  #lifetime: { context: Context; cancel: () => void } | undefined;

  constructor(options: WatchCacheOptions) {
    this.#options = options;
    this.#window = new EventWindow(options.windowSize ?? 4096, 0);
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  get size(): number {
    return this.#table.size;
  }

  /** The store revision up to which the table is complete. */
  get revision(): number {
    return this.#revision;
  }

  /** Fills the table and follows the store until `stop`. Throws when the store cannot be read. */
  async start(context: Context): Promise<void> {
    await this.#fill(context);
    this.#lifetime = Context.background().withCancel();
    void this.#follow(this.#lifetime.context);
    this.#scheduleBookmarks(this.#lifetime.context);
  }

  /** Ends every watch. */
  stop(): void {
    this.#ready = false;
    this.#lifetime?.cancel();
    this.#storeWatch?.close();
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
    return { revision: this.#revision, objects: this.#table.withPrefix(listPrefix(this.#options.resource, namespace)) };
  }

  /** The present state, complete up to a revision the store had when the call was made. */
  async consistentSnapshot(context: Context, namespace: string): Promise<Snapshot> {
    await this.catchUp(context);
    return this.snapshot(namespace);
  }

  /** Waits until everything committed before the call is in the table. */
  async catchUp(context: Context): Promise<void> {
    this.#requireReady();
    const { keyPrefix } = this.#options.resource;
    const answer = await fromStore(this.#options.etcd.range(context, { key: keyPrefix, keysOnly: true }));
    if (this.#revision >= answer.revision) return;
    this.#storeWatch?.requestProgress();
    await this.waitFor(context, answer.revision);
  }

  /** Resolves when the table is at least as new as `wanted`. Throws Timeout (`Too large resource version`) after 3 s. */
  async waitFor(context: Context, wanted: number): Promise<void> {
    this.#requireReady();
    if (this.#revision >= wanted) return;
    const bounded = context.withTimeout(this.#options.clock, freshnessTimeoutMs);
    this.#storeWatch?.requestProgress();
    try {
      await new Promise<void>((resolve, reject) => {
        const waiter = { revision: wanted, resolve };
        this.#freshnessWaiters.add(waiter);
        bounded.context.onEnd(() => {
          this.#freshnessWaiters.delete(waiter);
          reject(new CancelledError(bounded.context.endedBy ?? 'cancelled'));
        });
      });
    } catch (error) {
      context.check();
      throw error instanceof CancelledError ? tooLargeResourceVersion(wanted, this.#revision) : error;
    } finally {
      bounded.cancel();
    }
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
        prefix,
        onlyKey,
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
    return bookmark(apiVersion, kind, this.#revision, initialEventsEnd);
  }

  #requireReady(): void {
    if (!this.#ready) throw new StatusError('ServiceUnavailable', 'storage is (re)initializing');
  }

  async #fill(context: Context): Promise<void> {
    const { etcd, resource, windowSize = 4096 } = this.#options;
    const key = resource.keyPrefix;
    const answer = await fromStore(etcd.range(context, { key, rangeEnd: prefixEnd(key) }));
    const pacer = new Pacer();
    this.#table.clear();
    for (const kv of answer.kvs) {
      this.#table.set(kv.key, decodeStored(kv));
      await pacer.pace();
    }
    this.#window = new EventWindow(windowSize, answer.revision);
    this.#advance(answer.revision);
    this.#ready = true;
  }

  /** Follows the store for as long as the server runs; after a broken or compacted watch, everything is read again. */
  async #follow(context: Context): Promise<void> {
    while (!context.ended) {
      try {
        await this.#consume(context);
        context.check();
        throw new StatusError('ServiceUnavailable', 'the store ended the watch');
      } catch (error) {
        if (context.ended) return;
        this.#options.logger.warn('watch of the store broke; reading everything again', { error: messageOf(error) });
      }
      await this.#refill(context);
    }
  }

  async #refill(context: Context): Promise<void> {
    this.#ready = false;
    this.#closeWatchers();
    while (!this.#ready) {
      try {
        await this.#options.clock.sleep(context, relistDelayMs);
        await this.#fill(context);
      } catch (error) {
        if (context.ended) return;
        this.#options.logger.warn('cannot read the store', { error: messageOf(error) });
      }
    }
  }

  async #consume(context: Context): Promise<void> {
    const { etcd, resource } = this.#options;
    const key = resource.keyPrefix;
    const startRevision = revision(this.#revision + 1);
    this.#storeWatch = etcd.watch(context, { key, rangeEnd: prefixEnd(key), startRevision });
    // A read may already wait for a revision that the closed watch would have brought.
    if (this.#freshnessWaiters.size > 0) this.#storeWatch.requestProgress();
    const pacer = new Pacer();
    for await (const response of this.#storeWatch.responses) {
      for (const event of response.events) {
        this.#apply(event);
        await pacer.pace();
      }
      this.#advance(response.revision);
    }
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
    this.#advance(modRevision);
  }

  #advance(to: number): void {
    if (to <= this.#revision) return;
    this.#revision = to;
    for (const waiter of this.#freshnessWaiters) {
      if (waiter.revision > to) continue;
      this.#freshnessWaiters.delete(waiter);
      waiter.resolve();
    }
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
    for (const watcher of wanting) watcher.send(frame);
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
