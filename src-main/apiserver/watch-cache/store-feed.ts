import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { Pacer } from '#base/pacer';
import {
  prefixEnd,
  revision,
  type EtcdClient,
  type KeyValue,
  type Revision,
  type StoreEvent,
  type Watcher,
} from '#etcd/client';
import { fromStore } from '../storage/errors.ts';

/** Who keeps what the feed brings. */
export interface FeedTarget {
  /** Everything under the prefix as of `at`; what was known before is void. */
  replace(kvs: readonly KeyValue[], at: Revision): Promise<void>;
  apply(event: StoreEvent): void;
  /** Nothing up to `at` is missing. */
  advance(at: Revision): void;
  /** The feed broke; {@link replace} comes when the store can be read again. */
  interrupted(): void;
}

export interface StoreFeedOptions {
  readonly prefix: string;
  readonly watcherName: string;
  readonly etcd: EtcdClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

const relistDelayMs = 1_000;

/** Lists a prefix of the store, then watches from there, for ever: after a broken or compacted watch it lists again. */
export class StoreFeed {
  readonly #options: StoreFeedOptions;
  readonly #target: FeedTarget;
  #watch: Watcher | undefined;
  #listedAt = revision(0);

  constructor(options: StoreFeedOptions, target: FeedTarget) {
    this.#options = options;
    this.#target = target;
  }

  /** The first list. Throws StatusError when the store cannot be read. */
  async list(context: Context): Promise<void> {
    const { etcd, prefix } = this.#options;
    const answer = await fromStore(etcd.range(context, { key: prefix, rangeEnd: prefixEnd(prefix) }));
    this.#listedAt = answer.revision;
    await this.#target.replace(answer.kvs, answer.revision);
  }

  /** Follows the store from the last list until `context` ends. */
  async follow(context: Context): Promise<void> {
    while (!context.ended) {
      try {
        await this.#consume(context);
        if (context.ended) return;
        this.#options.logger.warn('the store ended the watch; listing again');
      } catch (error) {
        if (context.ended) return;
        this.#options.logger.warn('the watch of the store broke; listing again', { error: messageOf(error) });
      }
      this.#target.interrupted();
      await this.#relist(context);
    }
  }

  /** Asks the store to say how far it is, after everything already committed. */
  requestProgress(): void {
    this.#watch?.requestProgress();
  }

  /** The store's revision now. */
  async storeRevision(context: Context): Promise<Revision> {
    const { etcd, prefix } = this.#options;
    return (await fromStore(etcd.range(context, { key: prefix, keysOnly: true }))).revision;
  }

  close(): void {
    this.#watch?.close();
  }

  async #relist(context: Context): Promise<void> {
    while (!context.ended) {
      try {
        await this.#options.clock.sleep(context, relistDelayMs);
        return await this.list(context);
      } catch (error) {
        if (context.ended) return;
        this.#options.logger.warn('the store cannot be read', { error: messageOf(error) });
      }
    }
  }

  async #consume(context: Context): Promise<void> {
    const { etcd, prefix: key, watcherName: name } = this.#options;
    const startRevision = revision(this.#listedAt + 1);
    this.#watch = etcd.watch(context, { key, rangeEnd: prefixEnd(key), startRevision, name });
    // A reader may already wait for a revision that the broken watch would have brought.
    this.#watch.requestProgress();
    const pacer = new Pacer();
    for await (const response of this.#watch.responses) {
      for (const event of response.events) {
        this.#target.apply(event);
        if (pacer.due) await pacer.pace();
      }
      this.#target.advance(response.revision);
    }
  }
}
