import type { Clock } from '#base/clock';
import type { Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import { decodeKey } from '../byte-string.ts';
import { EtcdError, revision, type EtcdClient, type WatchResponse } from '../client.ts';
import {
  currentRevision,
  header,
  stream,
  tableCodec,
  type Identity,
  type MessageReceiver,
  type MethodCodec,
  type MessageStream,
  type Served,
} from './call.ts';
import { toNumber } from './convert.ts';
import { encodeEvents } from './hot-messages.ts';
import type { WatchCreateMessage, WatchMessage } from './messages.ts';
import { methods } from './methods.ts';
import { OpenWatch } from './open-watch.ts';

/** The wire's watch id for what concerns all watches of a stream, or none. */
const noWatch = -1;

export interface WatchServiceOptions {
  readonly etcd: EtcdClient;
  readonly identity: Identity;
  readonly clock: Clock;
  /** How often a watch that asked for it and saw no events is told the revision. etcd: 10 minutes. */
  readonly progressIntervalMs: number;
}

export function watchService(options: WatchServiceOptions): Served[] {
  const { watch } = methods.watch;
  const table = tableCodec<WatchMessage>(watch);
  // Messages with events come framed.
  const codec: MethodCodec<WatchMessage, object> = {
    decode: table.decode,
    encode: (message) => (Buffer.isBuffer(message) ? message : table.encode(message)),
  };
  return [stream(watch, codec, (messages) => new WatchStream(options, messages))];
}

/** One client stream of etcd's Watch service (`api/v3rpc/watch.go`): many watches, told apart by their id. */
class WatchStream implements MessageReceiver<WatchMessage> {
  readonly #options: WatchServiceOptions;
  readonly #stream: MessageStream<object>;
  readonly #watches = new Map<number, OpenWatch>();
  /** Watches that have not answered the client's wish for a progress note yet. */
  #progressOf = new Set<number>();
  #nextId = 0;
  #ticks: Disposable | undefined;

  constructor(options: WatchServiceOptions, messages: MessageStream<object>) {
    this.#options = options;
    this.#stream = messages;
    messages.context.onEnd(() => this.#ticks?.dispose());
  }

  async receive(message: WatchMessage): Promise<void> {
    if (message.create_request) await this.#create(message.create_request);
    else if (message.cancel_request) await this.#cancel(toNumber(message.cancel_request.watch_id));
    else if (message.progress_request) await this.#progress();
  }

  /** A client that creates no more watches still wants its events. */
  finish(): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.context.onEnd(resolve);
    });
  }

  async #create(message: WatchCreateMessage): Promise<void> {
    const { etcd } = this.#options;
    const { context, peer } = this.#stream;
    const current = await currentRevision(etcd, context);
    const keys = keysOf(message);
    const wantedId = toNumber(message.watch_id);
    const refusal = isEmpty(message)
      ? 'mvcc: watcher range is empty'
      : this.#watches.has(wantedId) && wantedId !== 0
        ? 'mvcc: duplicate watch ID provided on the WatchStream'
        : undefined;
    if (refusal !== undefined) {
      await this.#reply(noWatch, current, { created: true, canceled: true, cancel_reason: refusal });
      return;
    }
    const id = wantedId === 0 ? this.#freeId() : wantedId;
    const start = toNumber(message.start_revision);
    // Below zero is before everything: answered as compacted once there was a compaction.
    const startRevision = revision(start === 0 ? current + 1 : Math.max(1, start));
    const noPut = message.filters.includes(0);
    const noDelete = message.filters.includes(1);
    const watcher = etcd.watch(context, {
      ...keys,
      startRevision,
      prevKv: message.prev_kv,
      noPut,
      noDelete,
      name: peer,
    });
    const open = new OpenWatch(watcher, message);
    this.#watches.set(id, open);
    if (open.progressNotify) this.#tick();
    await this.#reply(id, current, { created: true });
    void this.#pump(id, open);
  }

  async #cancel(id: number): Promise<void> {
    const open = this.#watches.get(id);
    if (!open) return;
    this.#watches.delete(id);
    open.watcher.close();
    await this.#reply(id, await this.#revision(), { canceled: true });
    await this.#progressAnswered(id);
  }

  /** Answered once every watch of the stream has delivered what is committed now. */
  async #progress(): Promise<void> {
    this.#progressOf = new Set(this.#watches.keys());
    for (const { watcher } of this.#watches.values()) watcher.requestProgress();
    if (this.#progressOf.size === 0) await this.#reply(noWatch, await this.#revision(), {});
  }

  async #progressAnswered(id: number, at?: number): Promise<void> {
    if (!this.#progressOf.delete(id) || this.#progressOf.size > 0) return;
    await this.#reply(noWatch, at ?? (await this.#revision()), {});
  }

  /** Tells watches that asked for it where they are, unless events did since the last time. */
  #tick(): void {
    const { clock, progressIntervalMs } = this.#options;
    this.#ticks ??= clock.setTimer(progressIntervalMs, () => {
      this.#ticks = undefined;
      for (const open of this.#watches.values()) open.tick();
      if (this.#watches.size > 0) this.#tick();
    });
  }

  async #pump(id: number, open: OpenWatch): Promise<void> {
    try {
      for await (const response of open.watcher.responses) {
        const sent = this.#deliver(id, open, response);
        if (sent) await sent;
      }
    } catch (error) {
      await this.#fail(id, open, error);
    }
  }

  #deliver(id: number, open: OpenWatch, response: WatchResponse): Promise<void> | undefined {
    if (this.#watches.get(id) !== open) return undefined;
    if (response.events.length > 0) return this.#deliverEvents(id, open, response);
    const noted = open.takeNote() ? this.#reply(id, response.revision, {}) : undefined;
    return this.#progressOf.has(id) ? this.#progressAnswered(id, response.revision) : noted;
  }

  #deliverEvents(id: number, open: OpenWatch, response: WatchResponse): Promise<void> | undefined {
    const events = response.events.filter((event) => open.wants(event));
    if (events.length === 0) return undefined;
    open.idle = false;
    const { identity } = this.#options;
    let sent: Promise<void> | undefined;
    const parts = open.split(events);
    for (const [i, part] of parts.entries()) {
      const fragment = i < parts.length - 1;
      sent = this.#stream.send(encodeEvents(identity, { id, revision: response.revision, fragment }, part));
    }
    return sent;
  }

  async #fail(id: number, open: OpenWatch, error: unknown): Promise<void> {
    if (this.#watches.get(id) !== open || this.#stream.context.ended) return;
    this.#watches.delete(id);
    const { revision: current, compactRevision } = await this.#options.etcd.status(this.#stream.context);
    const isCompacted = error instanceof EtcdError && error.code === 'COMPACTED';
    const detail = isCompacted ? { compact_revision: compactRevision } : { cancel_reason: messageOf(error) };
    await this.#reply(id, current, { canceled: true, ...detail });
  }

  #reply(id: number, at: number, message: object): Promise<void> | undefined {
    return this.#stream.send({ header: header(this.#options.identity, at), watch_id: id, ...message });
  }

  #revision(): Promise<number> {
    return currentRevision(this.#options.etcd, this.#stream.context);
  }

  #freeId(): number {
    while (this.#watches.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }
}

/** The empty key is the first possible one; a range end of one zero byte is no end. */
function keysOf({ key, range_end: end }: WatchCreateMessage): { key: string; rangeEnd?: string } {
  const first = key.length === 0 ? '\0' : decodeKey(key);
  return end.length === 0 ? { key: first } : { key: first, rangeEnd: decodeKey(end) };
}

function isEmpty({ key, range_end: end }: WatchCreateMessage): boolean {
  const isOpen = end.length === 0 || (end.length === 1 && end[0] === 0);
  return !isOpen && Buffer.compare(key, end) >= 0;
}
