import { AsyncQueue } from '#base/async-queue';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { Pacer } from '#base/pacer';
import { InvariantError } from '#base/errors';
import {
  EtcdError,
  revision,
  type StoreEvent,
  type Watcher,
  type WatchRequest,
  type WatchResponse,
} from '../client.ts';
import type { WatcherStatus } from '../maintenance.ts';
import { eventOf, type Change, type Commit } from './change.ts';
import { inKeyRange, isEmpty, keyRange, type KeyRange } from './key-range.ts';
import { compactedError, type MvccStore } from './store.ts';

/** Responses a watcher may leave unread before the hub stops queueing and lets it read the history instead. */
const maxUnread = 512;
/** Revisions read from disk in one go. */
const historyChunk = 256;

/**
 * Delivers durable changes to watchers, after etcd's `watchable_store.go` (3.6). A *synced* watcher gets the events of a
 * flush right after it. One that starts in the past, or that does not keep up, is *unsynced*: it reads the history from
 * disk until it has reached the present and joins the synced ones in the same turn, so no revision is missed or doubled.
 */
export class WatchHub {
  readonly #store: MvccStore;
  readonly #watchers = new Set<HubWatcher>();
  readonly #syncedRanges = new Set<HubWatcher>();
  readonly #syncedKeys = new Map<string, Set<HubWatcher>>();

  readonly #clock: Clock;
  #lastId = 0;

  constructor(store: MvccStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** Who watches, the oldest first. */
  statuses(): WatcherStatus[] {
    return Array.from(this.#watchers, (watcher) => watcher.status(this.#store.durableRevision));
  }

  watch(request: WatchRequest): HubWatcher {
    const start = request.startRevision ?? 0;
    const next = start > 0 ? start : this.#store.durableRevision + 1;
    const watcher = new HubWatcher(this, request, next, { id: ++this.#lastId, sinceMs: this.#clock.now() });
    this.#watchers.add(watcher);
    if (isEmpty(watcher.range)) {
      watcher.fail(new EtcdError('INVALID_ARGUMENT', 'mvcc: watcher range is empty'));
      return watcher;
    }
    if (watcher.next > this.#store.durableRevision) this.#join(watcher);
    else void this.catchUp(watcher);
    return watcher;
  }

  /** Everything in `commits` is on disk. */
  publish(commits: readonly Commit[]): void {
    const last = commits[commits.length - 1];
    if (!last || this.#watchers.size === 0) return;
    const events = new Map<HubWatcher, StoreEvent[]>();
    for (const commit of commits) {
      for (const change of commit.changes) this.#route(change, commit.revision, events);
    }
    for (const [watcher, list] of events) this.#deliver(watcher, last.revision, list);
  }

  /** Reads history until the watcher has reached the present, then joins it to the synced ones. */
  async catchUp(watcher: HubWatcher): Promise<void> {
    const pacer = new Pacer();
    try {
      while (!watcher.closed) {
        if (watcher.next < this.#store.compactedRevision) throw compactedError();
        if (watcher.next > this.#store.durableRevision) {
          this.#join(watcher);
          return;
        }
        if (watcher.unread >= maxUnread) {
          watcher.lagging = true;
          return;
        }
        this.#readChunk(watcher);
        await pacer.pace();
      }
    } catch (error) {
      watcher.fail(error);
    }
  }

  remove(watcher: HubWatcher): void {
    this.#watchers.delete(watcher);
    this.#leave(watcher);
  }

  /** Ends every watcher; what was delivered can still be read. */
  stop(): void {
    for (const watcher of [...this.#watchers]) watcher.close();
  }

  progress(watcher: HubWatcher): void {
    if (watcher.synced) watcher.push({ revision: revision(this.#store.durableRevision), events: [] });
    else watcher.progressWanted = true;
  }

  #readChunk(watcher: HubWatcher): void {
    const durable = this.#store.durableRevision;
    const commits = this.#store.history(watcher.next, durable, historyChunk);
    const reached = commits.length < historyChunk ? durable : (commits[commits.length - 1]?.revision ?? durable);
    const events: StoreEvent[] = [];
    for (const commit of commits) {
      for (const change of commit.changes) {
        if (watcher.wants(change) && inKeyRange(watcher.range, change.header.key))
          events.push(this.#eventFor(watcher, change));
      }
    }
    watcher.next = reached + 1;
    if (events.length > 0) watcher.push({ revision: revision(reached), events });
  }

  #route(change: Change, main: number, events: Map<HubWatcher, StoreEvent[]>): void {
    const { key } = change.header;
    const give = (watcher: HubWatcher): void => {
      if (watcher.next > main || !watcher.wants(change)) return;
      const event = this.#eventFor(watcher, change);
      const list = events.get(watcher);
      if (list) list.push(event);
      else events.set(watcher, [event]);
    };
    for (const watcher of this.#syncedKeys.get(key) ?? []) give(watcher);
    for (const watcher of this.#syncedRanges) if (inKeyRange(watcher.range, key)) give(watcher);
  }

  #eventFor(watcher: HubWatcher, change: Change): StoreEvent {
    return eventOf(change, watcher.prevKv ? this.#store.previous(change) : undefined);
  }

  #deliver(watcher: HubWatcher, main: number, events: readonly StoreEvent[]): void {
    if (watcher.unread >= maxUnread) {
      // Not delivered: it reads this again from history once it has read what it has.
      this.#leave(watcher);
      watcher.lagging = true;
      return;
    }
    watcher.next = main + 1;
    watcher.push({ revision: revision(main), events });
  }

  #join(watcher: HubWatcher): void {
    watcher.synced = true;
    const { range } = watcher;
    if (!range.single) this.#syncedRanges.add(watcher);
    else {
      const others = this.#syncedKeys.get(range.start);
      if (others) others.add(watcher);
      else this.#syncedKeys.set(range.start, new Set([watcher]));
    }
    if (!watcher.progressWanted) return;
    watcher.progressWanted = false;
    this.progress(watcher);
  }

  #leave(watcher: HubWatcher): void {
    watcher.synced = false;
    this.#syncedRanges.delete(watcher);
    const others = this.#syncedKeys.get(watcher.range.start);
    if (others?.delete(watcher) && others.size === 0) this.#syncedKeys.delete(watcher.range.start);
  }
}

/** What the hub gives a watcher at its birth. */
type Origin = Pick<WatcherStatus, 'id' | 'sinceMs'>;

export class HubWatcher implements Watcher {
  readonly range: KeyRange;
  readonly prevKv: boolean;
  /** First revision not yet queued. */
  next: number;
  synced = false;
  /** Full queue: goes on with {@link WatchHub.catchUp} when it was read. */
  lagging = false;
  progressWanted = false;
  readonly #hub: WatchHub;
  readonly #request: WatchRequest;
  readonly #origin: Origin;
  /** Events, and the last revision, that were taken out of the queue. */
  #handedEvents = 0;
  #handedRevision: number;
  readonly #queue = new AsyncQueue<WatchResponse>(() => this.close());
  #link: Disposable | undefined;

  constructor(hub: WatchHub, request: WatchRequest, next: number, origin: Origin) {
    this.#hub = hub;
    this.#request = request;
    this.#origin = origin;
    this.#handedRevision = next - 1;
    this.range = keyRange(request);
    this.prevKv = request.prevKv ?? false;
    this.next = next;
  }

  get unread(): number {
    return this.#queue.size;
  }
  get closed(): boolean {
    return this.#queue.ended;
  }

  get responses(): AsyncIterable<WatchResponse> {
    return {
      [Symbol.asyncIterator]: () => {
        const queued = this.#queue[Symbol.asyncIterator]();
        return {
          next: () => {
            this.#resume();
            return queued.next().then((result) => this.#handed(result));
          },
          return: () => queued.return?.() ?? Promise.reject(new InvariantError('the queue cannot be left')),
        };
      },
    };
  }

  wants({ header }: Change): boolean {
    return header.id > 0 ? this.#request.noPut !== true : this.#request.noDelete !== true;
  }

  /** `durable`: the newest revision there is. */
  status(durable: number): WatcherStatus {
    const { name = '', key, rangeEnd } = this.#request;
    const hasAll = this.synced && this.unread === 0;
    return {
      ...this.#origin,
      name,
      key,
      ...(rangeEnd === undefined ? {} : { rangeEnd }),
      events: this.#handedEvents,
      lagRevisions: hasAll ? 0 : Math.max(0, durable - this.#handedRevision),
    };
  }

  #handed(result: IteratorResult<WatchResponse, undefined>): IteratorResult<WatchResponse, undefined> {
    if (!result.done) {
      this.#handedEvents += result.value.events.length;
      this.#handedRevision = result.value.revision;
    }
    return result;
  }

  push(response: WatchResponse): void {
    this.#queue.push(response);
  }

  requestProgress(): void {
    this.#hub.progress(this);
  }

  closeWith(context: Context): void {
    const link = context.onEnd(() => this.close());
    if (this.closed) link.dispose();
    else this.#link = link;
  }

  close(): void {
    this.#queue.end();
    this.#leave();
  }

  fail(error: unknown): void {
    this.#queue.fail(error);
    this.#leave();
  }

  #leave(): void {
    this.#hub.remove(this);
    this.#link?.dispose();
    this.#link = undefined;
  }

  #resume(): void {
    if (!this.lagging || this.unread > 0 || this.closed) return;
    this.lagging = false;
    void this.#hub.catchUp(this);
  }
}
