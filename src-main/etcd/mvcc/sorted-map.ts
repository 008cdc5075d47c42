/**
 * Items by key in `<` order: a list of sorted chunks, a B-tree of two levels. Look-up and insertion search the chunks'
 * first keys, then one chunk; a chunk that grows past its limit is halved. Made for hundreds of thousands of items.
 */
export class SortedMap<Item extends { readonly key: string }> {
  static readonly #chunkLimit = 512;
  readonly #chunks: Item[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): Item | undefined {
    const chunk = this.#chunks[this.#chunkOf(key)];
    const item = chunk?.[positionIn(chunk, key)];
    return item?.key === key ? item : undefined;
  }

  /** The key must not be there yet. */
  insert(item: Item): void {
    this.#size++;
    const at = this.#chunkOf(item.key);
    const chunk = this.#chunks[at];
    if (!chunk) {
      this.#chunks.push([item]);
      return;
    }
    chunk.splice(positionIn(chunk, item.key), 0, item);
    if (chunk.length <= SortedMap.#chunkLimit) return;
    // Keys that arrive in order leave full chunks behind them; others leave halves.
    const cut = chunk[chunk.length - 1] === item ? chunk.length - 1 : chunk.length >> 1;
    this.#chunks.splice(at + 1, 0, chunk.splice(cut));
  }

  delete(key: string): void {
    const at = this.#chunkOf(key);
    const chunk = this.#chunks[at];
    const position = chunk ? positionIn(chunk, key) : 0;
    if (chunk?.[position]?.key !== key) return;
    chunk.splice(position, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    this.#size--;
  }

  /** Items from `start` up to but without `end`, in order; to the last one when `end` is undefined. */
  *range(start: string, end: string | undefined): Generator<Item, void> {
    let at = this.#chunkOf(start);
    let chunk = this.#chunks[at];
    let position = chunk ? positionIn(chunk, start) : 0;
    while (chunk) {
      for (; position < chunk.length; position++) {
        const item = chunk[position];
        if (item === undefined || (end !== undefined && item.key >= end)) return;
        yield item;
      }
      chunk = this.#chunks[++at];
      position = 0;
    }
  }

  /** Gives `visit` what {@link range} yields, at a fifth of its cost. `visit` must not change the map. */
  forEach(start: string, end: string | undefined, visit: (item: Item) => void): void {
    let at = this.#chunkOf(start);
    let chunk = this.#chunks[at];
    let position = chunk ? positionIn(chunk, start) : 0;
    while (chunk) {
      const last = chunk[chunk.length - 1];
      const isWhole = last !== undefined && (end === undefined || last.key < end);
      const stop = isWhole || end === undefined ? chunk.length : positionIn(chunk, end);
      for (; position < stop; position++) {
        const item = chunk[position];
        if (item !== undefined) visit(item);
      }
      if (!isWhole) return;
      chunk = this.#chunks[++at];
      position = 0;
    }
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#size = 0;
  }

  /** Index of the last chunk whose first key is not above `key`; 0 when all are. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      const first = this.#chunks[middle]?.[0];
      if (first !== undefined && first.key <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Where `key` is in the sorted `chunk`, or would be inserted. */
function positionIn(chunk: readonly { readonly key: string }[], key: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const item = chunk[middle];
    if (item !== undefined && item.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
