import { AsyncQueue } from '#base/async-queue';
import { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { EtcdError, revision, type Revision, type StoreEvent, type WatchResponse } from '../client.ts';
import { toByteString, type ByteString } from '../byte-string.ts';
import { watchStore, type StoreWatchOptions } from './store-watch.ts';

/** What is kept for watches that start a little in the past: so many responses, of so many bytes. */
const windowResponses = 4_096;
const windowBytes = 16 * 1024 ** 2;
/** What a slow reader may leave waiting before it has to fetch it again. */
const backlogResponses = 1_024;
/** After so long without a revision that the store is known to have, the watch is opened anew. */
const stallMs = 2_500;

/** A range of keys in byte order, and which of its events are wanted. */
export interface Wanted {
  readonly start: ByteString;
  /** Absent: the one key. Empty: no end. */
  readonly end?: ByteString;
  readonly noPut?: boolean;
  readonly noDelete?: boolean;
}

interface HubResponse {
  readonly revision: Revision;
  readonly events: readonly { readonly event: StoreEvent; readonly key: ByteString }[];
  readonly bytes: number;
}

/** One reader's place in the hub. */
export interface Subscription {
  /** Ends when the reader fell behind or the hub failed: it takes up again, from the store if need be. */
  readonly responses: AsyncQueue<WatchResponse>;
  /** Hands over an empty response once everything up to `at` was handed over. */
  noteAt(at: Revision): void;
  /** Notes that were asked for and not given yet. */
  readonly notes: readonly Revision[];
  close(): void;
}

interface Subscriber extends Subscription {
  readonly wanted: Wanted;
  readonly from: Revision;
  notes: Revision[];
}

export function isWanted(wanted: Wanted, event: StoreEvent, key: ByteString): boolean {
  if (event.type === 'PUT' ? wanted.noPut === true : wanted.noDelete === true) return false;
  if (wanted.end === undefined) return key === wanted.start;
  return key >= wanted.start && (wanted.end === '' || key < wanted.end);
}

/**
 * One watch of the whole store, shared by all watches of a client. Because it leaves nothing out, a reader of any part of it
 * knows how far it is as soon as any later revision arrives. etcd's own progress notes would be lighter, but before 3.4.25
 * and 3.5.8 they may overtake events. Runs while there are subscribers.
 */
export class WatchHub {
  readonly #options: StoreWatchOptions;
  readonly #subscribers = new Set<Subscriber>();
  #run: { readonly context: Context; readonly cancel: () => void } | undefined;
  /** Ends the stream within a run, which is then opened anew. */
  #streamLife: (() => void) | undefined;
  #window: HubResponse[] = [];
  #windowSize = 0;
  /** First revision the window has, and the last one that arrived. */
  #from = revision(0);
  #position = revision(0);
  #stall: Disposable | undefined;

  constructor(options: StoreWatchOptions) {
    this.#options = options;
  }

  get subscribers(): number {
    return this.#subscribers.size;
  }

  /** The last revision that arrived; 0 while nobody reads. */
  get position(): Revision {
    return this.#position;
  }

  /**
   * Everything wanted from revision `from` on; undefined when the hub does not reach back so far. `known`: a revision the
   * store is known to have, where a reader of the future begins.
   */
  subscribe(wanted: Wanted, from: Revision, known: Revision): Subscription | undefined {
    if (this.#run && from < this.#from) return undefined;
    if (!this.#run) this.#start(revision(Math.min(from, known + 1)));
    const subscriber: Subscriber = {
      wanted,
      from,
      notes: [],
      responses: new AsyncQueue<WatchResponse>(),
      noteAt: (at) => {
        subscriber.notes.push(at);
        this.#answerNotes(subscriber);
        if (subscriber.notes.length > 0) this.#expectMore();
      },
      close: () => this.#remove(subscriber),
    };
    this.#subscribers.add(subscriber);
    for (const response of this.#window) this.#offer(subscriber, response);
    return subscriber;
  }

  /** Whether {@link subscribe} from `next` would be served. */
  reaches(next: Revision): boolean {
    return !this.#run || next >= this.#from;
  }

  close(): void {
    for (const subscriber of [...this.#subscribers]) this.#remove(subscriber);
  }

  #start(from: Revision): void {
    const run = Context.background().withCancel();
    this.#run = run;
    this.#from = from;
    this.#position = revision(from - 1);
    void this.#follow(run.context).catch((error: unknown) => this.#fail(run, error));
  }

  async #follow(run: Context): Promise<void> {
    while (!run.ended) {
      const life = run.withCancel();
      this.#streamLife = life.cancel;
      const from = revision(this.#position + 1);
      for await (const response of watchStore(life.context, this.#options, from)) this.#take(response);
      life.cancel();
    }
  }

  #take(response: WatchResponse): void {
    let bytes = 0;
    const events = response.events.map((event) => {
      bytes += event.kv.value.byteLength + event.kv.key.length;
      return { event, key: toByteString(event.kv.key) };
    });
    const taken = { revision: response.revision, events, bytes };
    this.#position = response.revision;
    this.#remember(taken);
    this.#stall?.dispose();
    this.#stall = undefined;
    for (const subscriber of this.#subscribers) {
      this.#offer(subscriber, taken);
      this.#answerNotes(subscriber);
      if (subscriber.notes.length > 0) this.#expectMore();
    }
  }

  #offer(subscriber: Subscriber, response: HubResponse): void {
    const { wanted, from, responses } = subscriber;
    const events: StoreEvent[] = [];
    for (const { event, key } of response.events)
      if (event.kv.modRevision >= from && isWanted(wanted, event, key)) events.push(event);
    if (events.length === 0) return;
    responses.push({ revision: response.revision, events });
    if (responses.size > backlogResponses) this.#remove(subscriber);
  }

  #answerNotes(subscriber: Subscriber): void {
    const left = subscriber.notes.filter((at) => at > this.#position);
    if (left.length === subscriber.notes.length) return;
    subscriber.notes = left;
    subscriber.responses.push({ revision: this.#position, events: [] });
  }

  #remember(response: HubResponse): void {
    this.#window.push(response);
    this.#windowSize += response.bytes;
    if (this.#window.length <= windowResponses && this.#windowSize <= windowBytes) return;
    // In large steps, as taking off the front of an array costs its length.
    const dropped = this.#window.splice(0, Math.ceil(this.#window.length / 4));
    for (const one of dropped) this.#windowSize -= one.bytes;
    const last = dropped[dropped.length - 1];
    if (last) this.#from = revision(last.revision + 1);
  }

  /** The store has a revision that a reader waits for: if it does not come, the member is behind or cut off. */
  #expectMore(): void {
    this.#stall ??= this.#options.clock.setTimer(stallMs, () => {
      this.#stall = undefined;
      this.#options.logger.debug('the watch of the store stands still; it is opened anew', { at: this.#position });
      this.#streamLife?.();
      this.#expectMore();
    });
  }

  #remove(subscriber: Subscriber): void {
    if (!this.#subscribers.delete(subscriber)) return;
    subscriber.responses.end();
    if (this.#subscribers.size === 0) this.#stop();
  }

  #stop(): void {
    this.#run?.cancel();
    this.#run = undefined;
    this.#stall?.dispose();
    this.#stall = undefined;
    this.#window = [];
    this.#windowSize = 0;
    this.#position = revision(0);
  }

  /** What was to come is gone from the store: readers find out for themselves what that means for them. */
  #fail(run: { readonly context: Context }, error: unknown): void {
    if (this.#run !== run) return;
    const failure = error instanceof EtcdError ? error : new EtcdError('UNAVAILABLE', String(error), { cause: error });
    for (const { responses } of this.#subscribers) responses.fail(failure);
    this.#subscribers.clear();
    this.#stop();
  }
}
