import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { EtcdError, revision, type EtcdClient, type StoreEvent, type Watcher, type WatchResponse } from '../client.ts';
import { header, method, type Identity } from './call.ts';
import { fromEvent, toKeys, toNumber } from './convert.ts';
import type { WatchCreateMessage, WatchMessage } from './messages.ts';

export const watchMethods = { Watch: method('Watch', 'Watch', 'WatchRequest', 'WatchResponse', 'stream') };

/** The wire's watch id for what concerns all watches of a stream. */
const everyWatch = -1;

interface OpenWatch {
  readonly watcher: Watcher;
  readonly filters: readonly number[];
}

/** One client stream of etcd's Watch service: many watches, told apart by their id. */
export class WatchStream {
  readonly #etcd: EtcdClient;
  readonly #identity: Identity;
  readonly #context: Context;
  readonly #send: (message: object) => Promise<void>;
  readonly #watches = new Map<number, OpenWatch>();
  /** Watches that have not answered the client's wish for a progress note yet. */
  #progressOf = new Set<number>();
  #nextId = 0;

  /** `send` resolves when the client has room for more. `context` ends with the stream. */
  constructor(etcd: EtcdClient, identity: Identity, context: Context, send: (message: object) => Promise<void>) {
    this.#etcd = etcd;
    this.#identity = identity;
    this.#context = context;
    this.#send = send;
  }

  async receive(message: WatchMessage): Promise<void> {
    if (message.create_request) await this.#create(message.create_request);
    else if (message.cancel_request) await this.#cancel(toNumber(message.cancel_request.watch_id));
    else if (message.progress_request) await this.#progress();
  }

  async #create(message: WatchCreateMessage): Promise<void> {
    const id = toNumber(message.watch_id) || this.#freeId();
    const current = (await this.#etcd.status(this.#context)).revision;
    if (this.#watches.has(id)) {
      const reason = 'mvcc: duplicate watch ID provided on the WatchStream';
      await this.#reply(everyWatch, current, { created: true, canceled: true, cancel_reason: reason });
      return;
    }
    const start = toNumber(message.start_revision);
    // etcd's watch clients ask for an empty key when they mean every key.
    const keys = message.key.length === 0 ? { key: '', rangeEnd: '\0' } : toKeys(message);
    const startRevision = revision(start > 0 ? start : current + 1);
    const watcher = this.#etcd.watch(this.#context, { ...keys, startRevision, prevKv: message.prev_kv });
    const open = { watcher, filters: message.filters };
    this.#watches.set(id, open);
    await this.#reply(id, current, { created: true });
    void this.#pump(id, open);
  }

  async #cancel(id: number): Promise<void> {
    const open = this.#watches.get(id);
    if (!open) return;
    this.#watches.delete(id);
    open.watcher.close();
    await this.#reply(id, (await this.#etcd.status(this.#context)).revision, { canceled: true });
    await this.#progressAnswered(id);
  }

  /** Answered once every watch of the stream has delivered what is committed now. */
  async #progress(): Promise<void> {
    this.#progressOf = new Set(this.#watches.keys());
    for (const { watcher } of this.#watches.values()) watcher.requestProgress();
    if (this.#progressOf.size === 0) {
      await this.#reply(everyWatch, (await this.#etcd.status(this.#context)).revision, {});
    }
  }

  async #progressAnswered(id: number, at?: number): Promise<void> {
    if (!this.#progressOf.delete(id) || this.#progressOf.size > 0) return;
    await this.#reply(everyWatch, at ?? (await this.#etcd.status(this.#context)).revision, {});
  }

  async #pump(id: number, open: OpenWatch): Promise<void> {
    try {
      for await (const response of open.watcher.responses) await this.#deliver(id, open, response);
    } catch (error) {
      await this.#fail(id, open, error);
    }
  }

  async #deliver(id: number, open: OpenWatch, response: WatchResponse): Promise<void> {
    if (this.#watches.get(id) !== open) return;
    if (response.events.length === 0) {
      await this.#progressAnswered(id, response.revision);
      return;
    }
    const events = response.events.filter((event) => !isFiltered(open.filters, event));
    if (events.length > 0) await this.#reply(id, response.revision, { events: events.map(fromEvent) });
  }

  async #fail(id: number, open: OpenWatch, error: unknown): Promise<void> {
    if (this.#watches.get(id) !== open || this.#context.ended) return;
    this.#watches.delete(id);
    const { revision: current, compactRevision } = await this.#etcd.status(this.#context);
    const isCompacted = error instanceof EtcdError && error.code === 'COMPACTED';
    const detail = isCompacted ? { compact_revision: compactRevision } : {};
    await this.#reply(id, current, { canceled: true, cancel_reason: messageOf(error), ...detail });
  }

  #reply(id: number, at: number, message: object): Promise<void> {
    return this.#send({ header: header(this.#identity, at), watch_id: id, ...message });
  }

  #freeId(): number {
    while (this.#watches.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }
}

function isFiltered(filters: readonly number[], event: StoreEvent): boolean {
  return filters.includes(event.type === 'PUT' ? 0 : 1);
}
