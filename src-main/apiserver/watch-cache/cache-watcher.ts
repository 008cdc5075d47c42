import type { WatchEvent } from '#api/machinery/object';
import { AsyncQueue } from '#base/async-queue';
import type { CacheEvent, Predicate } from './cache-event.ts';

/** Who watches, for people. */
export interface WatcherIdentity {
  readonly user: string;
  readonly userAgent: string;
}

/** One open watch, as the app shows it. */
export interface OpenWatch extends WatcherIdentity {
  /** Unique while the process lives. */
  readonly id: string;
  /** Empty for all namespaces. */
  readonly namespace: string;
  readonly sinceMs: number;
  /** Frames handed over so far, those of the present state included. */
  readonly events: number;
  /** Frames that wait to be read. */
  readonly queued: number;
}

export interface CacheWatcherOptions {
  readonly who: WatcherIdentity;
  readonly namespace: string;
  readonly sinceMs: number;
  /** Keys it sees: all that start with this. */
  readonly prefix: string;
  /** Set when it sees exactly one key. */
  readonly onlyKey?: string | undefined;
  /** It has seen everything up to here, maybe from another server that is further than this one. */
  readonly afterRevision: number;
  readonly predicate?: Predicate | undefined;
  readonly bookmarks: boolean;
  /** Frames that may wait unread before the watcher is dropped. */
  readonly bufferLimit: number;
  readonly onClose: () => void;
}

/**
 * One open watch. Frames are pushed without waiting for the reader; a reader that falls too far behind is dropped (its
 * watch ends and it starts again from the last revision it saw) so that it never holds up the others.
 */
export class CacheWatcher {
  static #lastId = 0;
  readonly bookmarks: boolean;
  readonly #id = ++CacheWatcher.#lastId;
  readonly #options: CacheWatcherOptions;
  readonly #queue: AsyncQueue<WatchEvent>;
  /** Initial frames do not count against the buffer limit. */
  #allowance: number;
  #pushed: number;
  #closed = false;

  constructor(options: CacheWatcherOptions, initial: readonly WatchEvent[]) {
    this.#options = options;
    this.bookmarks = options.bookmarks;
    this.#queue = new AsyncQueue(() => this.close());
    this.#allowance = options.bufferLimit + initial.length;
    this.#pushed = initial.length;
    for (const frame of initial) this.#queue.push(frame);
  }

  get frames(): AsyncIterable<WatchEvent> {
    return this.#queue;
  }

  get afterRevision(): number {
    return this.#options.afterRevision;
  }

  get closed(): boolean {
    return this.#closed;
  }

  describe(): OpenWatch {
    const { who, namespace, sinceMs } = this.#options;
    const queued = this.#queue.size;
    return { id: String(this.#id), ...who, namespace, sinceMs, events: this.#pushed - queued, queued };
  }

  /** Whether the watcher may have to hear of `event` at all. */
  sees(event: CacheEvent): boolean {
    const { onlyKey, prefix } = this.#options;
    return onlyKey === undefined ? event.key.startsWith(prefix) : event.key === onlyKey;
  }

  offer(event: CacheEvent): void {
    if (this.#closed || event.revision <= this.#options.afterRevision || !this.sees(event)) return;
    const frame = event.frameFor(this.#options.predicate);
    if (frame) this.send(frame);
  }

  send(frame: WatchEvent): void {
    if (this.#closed) return;
    if (this.#queue.size === 0) this.#allowance = this.#options.bufferLimit;
    if (this.#queue.size >= this.#allowance) {
      this.close();
      return;
    }
    this.#pushed++;
    this.#queue.push(frame);
  }

  /** Ends the watch after what is already queued. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.end();
    this.#options.onClose();
  }
}
