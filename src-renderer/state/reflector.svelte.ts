import { SvelteMap } from 'svelte/reactivity';
import type { StreamEvent, WatchItem, WatchName, WatchRequest } from '#contract/watches';
import type { StatusError } from '#api/machinery/status';
import type { Connection } from '../ipc/connection.ts';
import { gather } from './gather.ts';

const retryMs = 1000;

/**
 * A mirror of one watch: lists, then follows. When the stream ends it watches again from the beginning, keeps showing what it
 * has meanwhile, and drops what is not there any more once the new list is complete. Items are replaced, never changed.
 */
export class Reflector<N extends WatchName> {
  readonly items = new SvelteMap<string, WatchItem<N>>();
  /** Whether a whole list has been seen. */
  synced = $state(false);
  /** Why it does not follow at the moment. */
  error = $state.raw<StatusError | undefined>();

  readonly #connection: Connection;
  readonly #name: N;
  readonly #request: WatchRequest<N>;
  readonly #keyOf: (item: WatchItem<N>) => string;
  /** Counts starts: what an earlier one still has in hand is dropped. */
  #run = 0;
  #cancel: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Keys of the list that is coming in; undefined once it is complete. */
  #listed: Set<string> | undefined;

  constructor(connection: Connection, name: N, request: WatchRequest<N>, keyOf: (item: WatchItem<N>) => string) {
    this.#connection = connection;
    this.#name = name;
    this.#request = request;
    this.#keyOf = keyOf;
  }

  start(): void {
    this.stop();
    const run = this.#run;
    this.#listed = new Set();
    this.#cancel = this.#connection.watch(this.#name, this.#request, {
      onEvents: (events) => gather(() => (run === this.#run ? this.#take(events) : undefined)),
      onEnd: (error) => {
        this.#cancel = undefined;
        const expired = error?.reason === 'Expired' || error?.reason === 'Gone';
        if (!expired) this.error = error;
        this.#timer = setTimeout(() => this.start(), expired ? 0 : retryMs);
      },
    });
  }

  stop(): void {
    this.#run++;
    clearTimeout(this.#timer);
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #take(events: readonly StreamEvent<WatchItem<N>>[]): void {
    for (const event of events) {
      if (event.type === 'BOOKMARK') this.#completeList();
      else if (event.type !== 'ERROR') this.#apply(event.type, event.object);
    }
  }

  #apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', item: WatchItem<N>): void {
    const key = this.#keyOf(item);
    if (type === 'DELETED') {
      this.items.delete(key);
      this.#listed?.delete(key);
    } else {
      this.items.set(key, item);
      this.#listed?.add(key);
    }
  }

  #completeList(): void {
    this.error = undefined;
    this.synced = true;
    const listed = this.#listed;
    this.#listed = undefined;
    if (!listed) return;
    for (const key of [...this.items.keys()]) if (!listed.has(key)) this.items.delete(key);
  }
}
