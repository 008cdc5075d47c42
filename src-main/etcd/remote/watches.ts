import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { Revision, Watcher, WatchRequest } from '../client.ts';
import type { WatcherStatus } from '../maintenance.ts';
import type { EndpointPool } from './pool.ts';
import { RemoteWatcher } from './remote-watcher.ts';
import type { StoreWatchOptions } from './store-watch.ts';
import { WatchHub } from './watch-hub.ts';

export interface WatchesOptions {
  readonly pool: EndpointPool;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly currentRevision: () => Promise<Revision>;
  readonly knownRevision: () => Revision;
}

interface OpenWatch {
  readonly id: number;
  readonly sinceMs: number;
  readonly watcher: RemoteWatcher;
}

/** All watches of one client. Those that want previous values share a hub of their own: they cost etcd a read an event. */
export class Watches {
  /** How the store is watched without previous values. */
  readonly store: StoreWatchOptions;
  readonly #options: WatchesOptions;
  readonly #plain: WatchHub;
  readonly #withPrevious: WatchHub;
  readonly #open = new Set<OpenWatch>();
  readonly #settling = new Set<Promise<void>>();
  #nextId = 1;

  constructor(options: WatchesOptions) {
    this.#options = options;
    const { pool, clock, random, logger } = options;
    this.store = { pool, clock, random, logger, prevKv: false };
    this.#plain = new WatchHub(this.store);
    this.#withPrevious = new WatchHub({ ...this.store, prevKv: true });
  }

  open(context: Context, request: WatchRequest): Watcher {
    const { clock, logger, currentRevision, knownRevision } = this.#options;
    const prevKv = request.prevKv === true;
    const watcher = new RemoteWatcher(context, request, {
      hub: prevKv ? this.#withPrevious : this.#plain,
      store: { ...this.store, prevKv },
      currentRevision,
      knownRevision,
      onClose: () => this.#open.delete(entry),
      logger,
    });
    const entry: OpenWatch = { id: this.#nextId++, sinceMs: clock.now(), watcher };
    if (!context.ended) this.#open.add(entry);
    if (request.startRevision === undefined) this.#settle(watcher.settled());
    return watcher;
  }

  /** Resolves when every watch knows where it begins. */
  async settled(): Promise<void> {
    if (this.#settling.size > 0) await Promise.all(this.#settling);
  }

  list(): readonly WatcherStatus[] {
    const known = this.#options.knownRevision();
    return [...this.#open].map(({ id, sinceMs, watcher }) => {
      const { name = '', key, rangeEnd } = watcher.request;
      const { events, delivered } = watcher.progress;
      return {
        ...{ id, name, key, sinceMs, events },
        ...(rangeEnd === undefined ? {} : { rangeEnd }),
        lagRevisions: delivered === 0 ? 0 : Math.max(0, known - delivered),
      };
    });
  }

  close(): void {
    for (const { watcher } of [...this.#open]) watcher.close();
    this.#plain.close();
    this.#withPrevious.close();
  }

  #settle(settled: Promise<void>): void {
    this.#settling.add(settled);
    void settled.finally(() => this.#settling.delete(settled));
  }
}
