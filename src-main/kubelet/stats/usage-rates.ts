interface Reading {
  readonly timeMs: number;
  readonly total: number;
  readonly rate: number | undefined;
}

/** Readings closer together than this tell little: the rate of the reading before stands. */
const minSpanMs = 1_000;

/** Turns counters of CPU time into how much is used: nanocores, from reading to reading. */
export class UsageRates {
  readonly #last = new Map<string, Reading>();

  /** `total` is nanoseconds of CPU time so far. Undefined until there are two readings apart. */
  rate(key: string, timeMs: number, total: number): number | undefined {
    const last = this.#last.get(key);
    if (last && timeMs - last.timeMs < minSpanMs) return last.rate;
    // A counter that went back is another one: it starts anew.
    const rate =
      last && total >= last.total ? Math.round(((total - last.total) * 1000) / (timeMs - last.timeMs)) : undefined;
    this.#last.set(key, { timeMs, total, rate });
    return rate;
  }

  /** Forgets counters that are gone. */
  keepOnly(keys: ReadonlySet<string>): void {
    for (const key of this.#last.keys()) if (!keys.has(key)) this.#last.delete(key);
  }
}
