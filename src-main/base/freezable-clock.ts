import { CancelledError } from './errors.ts';
import type { Clock } from './clock.ts';
import type { Context } from './context.ts';
import { disposable, type Disposable } from './disposable.ts';

/**
 * The clock of programs that may be frozen (SIGSTOP, the cgroup freezer). Time goes on meanwhile; timers that come due fire when
 * the programs go on, oldest first, as they would.
 */
export class FreezableClock implements Clock {
  readonly #clock: Clock;
  #frozen = false;
  #held: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  now(): number {
    return this.#clock.now();
  }

  setTimer(delayMs: number, callback: () => void): Disposable {
    let over = false;
    const fire = (): void => {
      if (over) return;
      over = true;
      callback();
    };
    const timer = this.#clock.setTimer(delayMs, () => this.#whenThawed(fire));
    return disposable(() => {
      over = true;
      timer.dispose();
    });
  }

  sleep(context: Context, delayMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (context.ended) {
        reject(new CancelledError(context.endedBy ?? 'cancelled'));
        return;
      }
      const timer = this.setTimer(delayMs, () => {
        registration.dispose();
        resolve();
      });
      const registration = context.onEnd(() => {
        timer.dispose();
        reject(new CancelledError(context.endedBy ?? 'cancelled'));
      });
    });
  }

  /** Idempotent. */
  freeze(): void {
    this.#frozen = true;
  }

  /** Idempotent. */
  thaw(): void {
    this.#frozen = false;
    const held = this.#held;
    this.#held = [];
    for (const resume of held) this.#whenThawed(resume);
  }

  /** Resolves at once while nothing is frozen: what arrives from outside waits here. */
  async thawed(): Promise<void> {
    if (this.#frozen) await new Promise<void>((resolve) => this.#whenThawed(resolve));
  }

  #whenThawed(resume: () => void): void {
    if (this.#frozen) this.#held.push(resume);
    else resume();
  }
}
