import type { Clock } from '#base/clock';

interface Entry {
  delayMs: number;
  lastMs: number;
}

/**
 * Delays a key by key, doubling with each failure, and forgotten when a key was quiet for twice the longest delay
 * (`flowcontrol.Backoff` of client-go, release 1.36: crash loops and image pulls).
 */
export class KeyedBackOff {
  readonly #clock: Clock;
  readonly #initialMs: number;
  readonly #maxMs: number;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, initialMs: number, maxMs: number) {
    this.#clock = clock;
    this.#initialMs = initialMs;
    this.#maxMs = maxMs;
  }

  /** Milliseconds that must still go by after a failure at `failedMs`; 0 when the key may go on. */
  remaining(key: string, failedMs: number): number {
    const entry = this.#current(key, failedMs);
    return entry ? Math.max(0, failedMs + entry.delayMs - this.#clock.now()) : 0;
  }

  /** Milliseconds until the delay counted from the last `next` is over. */
  remainingSinceLast(key: string): number {
    const entry = this.#entries.get(key);
    return entry ? Math.max(0, entry.lastMs + entry.delayMs - this.#clock.now()) : 0;
  }

  /** The delay in force, in milliseconds; 0 for a key that never failed. */
  delay(key: string): number {
    return this.#entries.get(key)?.delayMs ?? 0;
  }

  /** Counts a failure at `failedMs`: the first gives the initial delay, each further one twice the last. */
  next(key: string, failedMs: number): void {
    const entry = this.#current(key, failedMs);
    const delayMs = entry ? Math.min(this.#maxMs, entry.delayMs * 2) : this.#initialMs;
    this.#entries.set(key, { delayMs, lastMs: this.#clock.now() });
  }

  /** Forgets every key that starts with `prefix`. */
  forget(prefix: string): void {
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
  }

  #current(key: string, atMs: number): Entry | undefined {
    const entry = this.#entries.get(key);
    return entry && atMs - entry.lastMs <= 2 * this.#maxMs ? entry : undefined;
  }
}
