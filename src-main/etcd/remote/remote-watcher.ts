import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import {
  EtcdError,
  revision,
  type Revision,
  type StoreEvent,
  type Watcher,
  type WatchRequest,
  type WatchResponse,
} from '../client.ts';
import { toByteString } from '../byte-string.ts';
import { CompactedError } from './errors.ts';
import { watchStore, type StoreWatchOptions } from './store-watch.ts';
import { isWanted, type Subscription, type Wanted, type WatchHub } from './watch-hub.ts';

export interface RemoteWatcherOptions {
  readonly hub: WatchHub;
  readonly store: StoreWatchOptions;
  /** The store's revision now, as the members agree on it. */
  readonly currentRevision: () => Promise<Revision>;
  /** A revision the store is known to have. */
  readonly knownRevision: () => Revision;
  readonly onClose: () => void;
  readonly logger: Logger;
}

/** One watch: from the hub while it can keep up, from a watch of its own while it has to catch up. */
export class RemoteWatcher implements Watcher {
  readonly request: WatchRequest;
  readonly responses: AsyncIterable<WatchResponse>;
  readonly #options: RemoteWatcherOptions;
  readonly #wanted: Wanted;
  readonly #life: { readonly context: Context; readonly cancel: () => void };
  /** Next revision to deliver. Asked for when the watch is made, whenever it is read. */
  readonly #start: Promise<Revision>;
  #subscription: Subscription | undefined;
  #notes: Revision[] = [];
  #next = revision(0);
  #events = 0;

  constructor(context: Context, request: WatchRequest, options: RemoteWatcherOptions) {
    this.request = request;
    this.#options = options;
    this.#life = context.withCancel();
    this.#wanted = wantedOf(request);
    const { startRevision } = request;
    this.#start =
      startRevision !== undefined && startRevision > 0
        ? Promise.resolve(startRevision)
        : options.currentRevision().then((current) => revision(current + 1));
    // Told to the reader, when there is one.
    this.#start.catch(() => {});
    this.responses = this.#read();
    this.#life.context.onEnd(() => {
      this.#subscription?.close();
      options.onClose();
    });
  }

  /** Resolves when it is settled where the watch begins: what is written afterwards is seen. */
  async settled(): Promise<void> {
    await this.#start.catch(() => undefined);
  }

  /** Events handed over, and up to which revision nothing is missing; 0 before the first read. */
  get progress(): { readonly events: number; readonly delivered: number } {
    const waiting = this.#subscription?.responses.size ?? 1;
    const delivered = waiting === 0 ? this.#options.hub.position : Math.max(0, this.#next - 1);
    return { events: this.#events, delivered };
  }

  requestProgress(): void {
    this.#options.currentRevision().then(
      (current) => {
        if (this.#subscription) this.#subscription.noteAt(current);
        else this.#notes.push(current);
      },
      (error: unknown) => this.#options.logger.debug('no progress note', { error: messageOf(error) }),
    );
  }

  close(): void {
    this.#life.cancel();
  }

  async *#read(): AsyncGenerator<WatchResponse> {
    const { context } = this.#life;
    try {
      const { start, end = '' } = this.#wanted;
      if (end !== '' && end <= start) throw new EtcdError('INVALID_ARGUMENT', 'mvcc: watcher range is empty');
      this.#next = await this.#start;
      while (!context.ended) {
        const subscription = this.#subscribe();
        for await (const response of subscription ? this.#live(subscription) : this.#catchUp()) {
          this.#events += response.events.length;
          yield response;
          if (context.ended) return;
        }
      }
    } catch (error) {
      if (!context.ended) throw error;
    } finally {
      this.#life.cancel();
    }
  }

  #subscribe(): Subscription | undefined {
    const { hub, knownRevision } = this.#options;
    const subscription = hub.subscribe(this.#wanted, this.#next, knownRevision());
    this.#subscription = subscription;
    if (!subscription) return undefined;
    for (const at of this.#notes) subscription.noteAt(at);
    this.#notes = [];
    return subscription;
  }

  async *#live(subscription: Subscription): AsyncGenerator<WatchResponse> {
    try {
      for await (const response of subscription.responses) {
        this.#next = revision(Math.max(this.#next, response.revision + 1));
        yield response;
      }
    } catch (error) {
      // The hub may have been further back than this reader.
      if (!(error instanceof CompactedError) || this.#next < error.compactRevision) throw error;
    } finally {
      this.#notes.push(...subscription.notes);
      subscription.close();
      if (this.#subscription === subscription) this.#subscription = undefined;
    }
  }

  /** Until the hub reaches back to where this reader is. */
  async *#catchUp(): AsyncGenerator<WatchResponse> {
    const { hub, store } = this.#options;
    const scope = this.#life.context.withCancel();
    try {
      for await (const response of watchStore(scope.context, store, this.#next)) {
        const events = response.events.filter((event) => this.#isWanted(event));
        this.#next = revision(response.revision + 1);
        if (events.length > 0) yield { revision: response.revision, events };
        if (hub.reaches(this.#next)) return;
      }
    } finally {
      scope.cancel();
    }
  }

  #isWanted(event: StoreEvent): boolean {
    return isWanted(this.#wanted, event, toByteString(event.kv.key));
  }
}

function wantedOf(request: WatchRequest): Wanted {
  const { key, rangeEnd, noPut = false, noDelete = false } = request;
  const end = rangeEnd === undefined ? {} : { end: rangeEnd === '\0' ? '' : toByteString(rangeEnd) };
  return { start: key === '' ? '\0' : toByteString(key), ...end, noPut, noDelete };
}
