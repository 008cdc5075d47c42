import type { Random } from './random.ts';

export interface BackoffPolicy {
  readonly initialMs: number;
  readonly factor: number;
  readonly maxMs: number;
  /** Each delay is lengthened by a uniform share of up to `jitter` of itself; 0 for none. */
  readonly jitter: number;
}

/** Delays that grow from failure to failure until `reset`. */
export class Backoff {
  readonly #policy: BackoffPolicy;
  readonly #random: Random;
  #failures = 0;

  constructor(policy: BackoffPolicy, random: Random) {
    this.#policy = policy;
    this.#random = random;
  }

  /** The delay in milliseconds before the next try. */
  next(): number {
    const { initialMs, factor, maxMs, jitter } = this.#policy;
    const base = Math.min(maxMs, initialMs * factor ** this.#failures);
    this.#failures++;
    return base * (1 + jitter * this.#random.next());
  }

  reset(): void {
    this.#failures = 0;
  }
}
