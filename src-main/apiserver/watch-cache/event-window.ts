import type { CacheEvent } from './cache-event.ts';

/**
 * The last events of a resource, in revision order, for watches that start in the past. A ring: when it is full, the oldest
 * event makes room, and watches that would need it are told to list again.
 *
 *     base 100, capacity 3    after 104, 107       [104 107]        reaches back to 100
 *                             after 109, 111       [107 109 111]    reaches back to 104: a watch from 104 still
 *                                                                   misses nothing, one from 103 does
 */
export class EventWindow {
  readonly #capacity: number;
  #events: CacheEvent[] = [];
  #head = 0;
  #reachesBackTo: number;

  constructor(capacity: number, baseRevision: number) {
    this.#capacity = capacity;
    this.#reachesBackTo = baseRevision;
  }

  /** The oldest revision a watch can start after without missing an event. */
  get reachesBackTo(): number {
    return this.#reachesBackTo;
  }

  push(event: CacheEvent): void {
    this.#events.push(event);
    if (this.#events.length - this.#head <= this.#capacity) return;
    this.#reachesBackTo = this.#events[this.#head]?.revision ?? this.#reachesBackTo;
    this.#head++;
    // Events that made room still hold their objects until here.
    if (this.#head * 8 <= this.#capacity) return;
    this.#events = this.#events.slice(this.#head);
    this.#head = 0;
  }

  /** The events after `revision`, which must not lie before {@link reachesBackTo}. */
  after(revision: number): readonly CacheEvent[] {
    let low = this.#head;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#events.slice(low);
  }
}
