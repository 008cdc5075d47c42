import { CancelledError } from './errors.ts';

/**
 * A queue between a writer that never waits and one reader that does. `end` lets the reader drain what is left, `fail`
 * throws at the reader after what is left. Iterating twice at once is a bug.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  #items: T[] = [];
  #head = 0;
  #ended = false;
  #error: unknown;
  #wake: (() => void) | undefined;
  #onReturn: (() => void) | undefined;

  /** `onReturn` is called once when the reader stops early (break, throw). */
  constructor(onReturn?: () => void) {
    this.#onReturn = onReturn;
  }

  /** Items not yet read. */
  get size(): number {
    return this.#items.length - this.#head;
  }

  get ended(): boolean {
    return this.#ended;
  }

  push(item: T): void {
    if (this.#ended) return;
    this.#items.push(item);
    this.#notify();
  }

  end(): void {
    this.#ended = true;
    this.#notify();
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    this.#error = error ?? new CancelledError('cancelled');
    this.end();
  }

  /** Takes an item without waiting. */
  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#head++;
    // What was read must not be kept: an idle queue holds nothing.
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head > 256 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return {
      next: async () => {
        for (;;) {
          if (this.size > 0) return { done: false, value: this.shift() as T };
          if (this.#error !== undefined) throw this.#error;
          if (this.#ended) return { done: true, value: undefined };
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      },
      return: async () => {
        this.#ended = true;
        this.#items = [];
        this.#head = 0;
        const onReturn = this.#onReturn;
        this.#onReturn = undefined;
        onReturn?.();
        return { done: true, value: undefined };
      },
    };
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
