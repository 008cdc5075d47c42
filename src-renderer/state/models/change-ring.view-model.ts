import type { StoreChange } from '#contract/store';

/** The last changes of the store, in the order they came; older ones fall out and are counted. */
export class ChangeRing {
  readonly #items: StoreChange[] = [];
  readonly #capacity: number;
  #head = 0;
  /** Changes that ever came. */
  total = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get length(): number {
    return this.#items.length;
  }

  push(change: StoreChange): void {
    this.total++;
    if (this.#items.length < this.#capacity) this.#items.push(change);
    else {
      this.#items[this.#head] = change;
      this.#head = (this.#head + 1) % this.#capacity;
    }
  }

  /** 0 is the newest. */
  at(index: number): StoreChange | undefined {
    const { length } = this.#items;
    return index < 0 || index >= length ? undefined : this.#items[(this.#head + length - 1 - index) % length];
  }

  /** The newest `count`, newest first. */
  newest(count = this.length): StoreChange[] {
    const found: StoreChange[] = [];
    for (let index = 0; index < Math.min(count, this.length); index++) {
      const change = this.at(index);
      if (change) found.push(change);
    }
    return found;
  }

  /** Changes after `revision`, oldest first. Undefined when some of them may have fallen out. */
  since(revision: number): StoreChange[] | undefined {
    const oldest = this.at(this.length - 1);
    if (oldest && this.total > this.length && oldest.revision > revision + 1) return undefined;
    const found: StoreChange[] = [];
    for (let index = 0; index < this.length; index++) {
      const change = this.at(index);
      if (!change || change.revision <= revision) break;
      found.push(change);
    }
    return found.reverse();
  }

  clear(): void {
    this.#items.length = 0;
    this.#head = 0;
    this.total = 0;
  }
}
