import type { StoreEvent, Watcher } from '../client.ts';
import { maxRequestBytes } from './kv-service.ts';
import type { WatchCreateMessage } from './messages.ts';

/** What an event costs on the wire beside its keys and values, at most. */
const eventOverheadBytes = 64;

/** One watch of a stream: what its client asked for, and what it is owed. */
export class OpenWatch {
  readonly watcher: Watcher;
  readonly progressNotify: boolean;
  /** No event was sent since the last tick. */
  idle = true;
  readonly #filters: readonly number[];
  readonly #fragment: boolean;
  #noteWanted = false;

  constructor(watcher: Watcher, message: WatchCreateMessage) {
    this.watcher = watcher;
    this.progressNotify = message.progress_notify;
    this.#filters = message.filters;
    this.#fragment = message.fragment;
  }

  wants(event: StoreEvent): boolean {
    return !this.#filters.includes(event.type === 'PUT' ? 0 : 1);
  }

  /** Time for a progress note by timer. */
  tick(): void {
    if (this.progressNotify && this.idle) {
      this.#noteWanted = true;
      this.watcher.requestProgress();
    }
    this.idle = true;
  }

  /** Whether the note that came was asked for by {@link tick}. */
  takeNote(): boolean {
    const wanted = this.#noteWanted;
    this.#noteWanted = false;
    return wanted;
  }

  /** As etcd's `sendFragments`: for clients that ask for it, messages of about a request's size at most. */
  split(events: readonly StoreEvent[]): readonly (readonly StoreEvent[])[] {
    if (!this.#fragment) return [events];
    const parts: StoreEvent[][] = [[]];
    let bytes = 0;
    for (const event of events) {
      const size = sizeOf(event);
      if (bytes > 0 && bytes + size > maxRequestBytes) {
        parts.push([]);
        bytes = 0;
      }
      parts[parts.length - 1]?.push(event);
      bytes += size;
    }
    return parts;
  }
}

/** Bytes of the event's message, rounded up. */
function sizeOf({ kv, prevKv }: StoreEvent): number {
  // A character of a key is three bytes at most.
  const bytes = eventOverheadBytes + 3 * kv.key.length + kv.value.length;
  return prevKv ? bytes + eventOverheadBytes + 3 * prevKv.key.length + prevKv.value.length : bytes;
}
