import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { tooLargeResourceVersion } from '../storage/errors.ts';

/** How long a read waits for a revision (upstream: `blockTimeout` of the cacher). */
const timeoutMs = 3_000;

/** How far something has come, and those who wait for it to come further. */
export class RevisionGate {
  readonly #clock: Clock;
  readonly #waiters = new Set<{ readonly revision: number; readonly resolve: () => void }>();
  #revision = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Never goes back. */
  advance(to: number): void {
    if (to <= this.#revision) return;
    this.#revision = to;
    for (const waiter of this.#waiters) {
      if (waiter.revision > to) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  /** Resolves at `wanted` or later. Throws Timeout (`Too large resource version`) after three seconds. */
  async wait(context: Context, wanted: number): Promise<void> {
    if (this.#revision >= wanted) return;
    const bounded = context.withTimeout(this.#clock, timeoutMs);
    try {
      await new Promise<void>((resolve, reject) => {
        const waiter = { revision: wanted, resolve };
        this.#waiters.add(waiter);
        bounded.context.onEnd(() => {
          this.#waiters.delete(waiter);
          reject(new CancelledError(bounded.context.endedBy ?? 'cancelled'));
        });
      });
    } catch (error) {
      context.check();
      throw error instanceof CancelledError ? tooLargeResourceVersion(wanted, this.#revision) : error;
    } finally {
      bounded.cancel();
    }
  }
}
