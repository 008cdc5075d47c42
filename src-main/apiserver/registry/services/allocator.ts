import type { Random } from '#base/random';

/** Why a value cannot be given out. */
export type AllocationFailure = 'taken' | 'out-of-range' | 'full';

/** Values that are held: by stored objects, and by writes under way. */
export interface InUse {
  has(value: number): boolean;
}

/**
 * Picks numbers of a range: cluster IPs as offsets, node ports as they are. The low part of the range is left for values
 * that are asked for by number, as upstream's allocators do (`static` and `dynamic` band, release 1.36).
 */
export class RangeAllocator {
  readonly #first: number;
  readonly #size: number;
  readonly #staticBand: number;
  readonly #random: Random;

  constructor(first: number, size: number, random: Random) {
    this.#first = first;
    this.#size = size;
    this.#staticBand = Math.min(Math.max(16, Math.floor(size / 16)), 256, size);
    this.#random = random;
  }

  check(value: number, inUse: InUse): AllocationFailure | undefined {
    if (value < this.#first || value >= this.#first + this.#size) return 'out-of-range';
    return inUse.has(value) ? 'taken' : undefined;
  }

  /** A free value: any of the dynamic band, else of the static one; undefined when the range is full. */
  pick(inUse: InUse): number | undefined {
    const { first: dynamicFirst, size: dynamicSize } = this.#dynamicBand();
    return this.#scan(dynamicFirst, dynamicSize, inUse) ?? this.#scan(this.#first, this.#staticBand, inUse);
  }

  #dynamicBand(): { first: number; size: number } {
    return { first: this.#first + this.#staticBand, size: this.#size - this.#staticBand };
  }

  #scan(first: number, size: number, inUse: InUse): number | undefined {
    const start = this.#random.integer(Math.max(1, size));
    for (let i = 0; i < size; i++) {
      const value = first + ((start + i) % size);
      if (!inUse.has(value)) return value;
    }
    return undefined;
  }
}
