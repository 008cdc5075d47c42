import { CancelledError } from './errors.ts';
import type { Context } from './context.ts';
import { disposable, type Disposable } from './disposable.ts';

/**
 * The only source of time in Drydock. Nothing else reads the wall clock or sets a timer, so that a whole lab can be
 * paused, stepped and sped up.
 */
export interface Clock {
  /** Milliseconds since the Unix epoch, as the lab believes them. Never goes back. */
  now(): number;
  /** Calls `callback` once after `delayMs` milliseconds of lab time. Disposing cancels it. */
  setTimer(delayMs: number, callback: () => void): Disposable;
  /** Resolves after `delayMs` of lab time; rejects with {@link CancelledError} as soon as `context` ends. */
  sleep(context: Context, delayMs: number): Promise<void>;
}

/** RFC 3339 in whole seconds, the spelling of `metav1.Time`. */
export function formatTime(epochMs: number): string {
  return new Date(Math.floor(epochMs / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

/** RFC 3339 with six decimals, the spelling of `metav1.MicroTime`. */
export function formatMicroTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace('Z', '000Z');
}

function sleepOn(clock: Clock, context: Context, delayMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (context.ended) {
      reject(new CancelledError(context.endedBy ?? 'cancelled'));
      return;
    }
    const timer = clock.setTimer(delayMs, () => {
      registration.dispose();
      resolve();
    });
    const registration = context.onEnd(() => {
      timer.dispose();
      reject(new CancelledError(context.endedBy ?? 'cancelled'));
    });
  });
}

/** The machine's own time. */
export class RealClock implements Clock {
  now(): number {
    return Date.now();
  }

  setTimer(delayMs: number, callback: () => void): Disposable {
    // A delay above 2^31-1 ms would fire at once on every JavaScript engine: wait in legs.
    const maxLegMs = 0x7fff_ffff;
    let handle: unknown;
    const arm = (leftMs: number): void => {
      handle = setTimeout(
        () => (leftMs > maxLegMs ? arm(leftMs - maxLegMs) : callback()),
        Math.max(0, Math.min(leftMs, maxLegMs)),
      );
    };
    arm(delayMs);
    return disposable(() => clearTimeout(handle as never));
  }

  sleep(context: Context, delayMs: number): Promise<void> {
    return sleepOn(this, context, delayMs);
  }
}

/** A clock for one life of a component: the timers set on it are gone when `life` ends. */
export class LifeClock implements Clock {
  readonly #clock: Clock;
  readonly #timers = new Set<Disposable>();
  #ended = false;

  constructor(clock: Clock, life: Context) {
    this.#clock = clock;
    life.onEnd(() => {
      this.#ended = true;
      for (const timer of this.#timers) timer.dispose();
      this.#timers.clear();
    });
  }

  now(): number {
    return this.#clock.now();
  }

  /** A timer that is set after the end never fires. */
  setTimer(delayMs: number, callback: () => void): Disposable {
    if (this.#ended) return disposable(() => {});
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
    return disposable(() => {
      this.#timers.delete(timer);
      timer.dispose();
    });
  }

  /** Ends with `context`, which must end with the life: a sleep that nobody wakes would wait for ever. */
  sleep(context: Context, delayMs: number): Promise<void> {
    return this.#clock.sleep(context, delayMs);
  }
}

interface PendingTimer {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * Time that moves only when told to. `step` fires due timers in order of their due time, moving `now` to each of them,
 * and gives the event loop a turn after each, so that work a timer started can set timers of its own inside the step.
 */
export class SteppedClock implements Clock {
  #nowMs: number;
  #order = 0;
  readonly #timers = new Set<PendingTimer>();

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  /** Timers that wait to fire. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  setTimer(delayMs: number, callback: () => void): Disposable {
    const timer: PendingTimer = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.add(timer);
    return disposable(() => this.#timers.delete(timer));
  }

  sleep(context: Context, delayMs: number): Promise<void> {
    return sleepOn(this, context, delayMs);
  }

  /** Moves time on by `ms`. `settle` runs after each fired timer; the default lets promises and immediates run. */
  async step(ms: number, settle: () => Promise<void> = yieldToEventLoop): Promise<void> {
    const targetMs = this.#nowMs + ms;
    for (;;) {
      let next: PendingTimer | undefined;
      for (const timer of this.#timers) {
        if (timer.dueMs > targetMs) continue;
        if (!next || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) next = timer;
      }
      if (!next) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
      await settle();
    }
    this.#nowMs = targetMs;
    await settle();
  }
}

/** Gives the event loop one whole turn of real time: pending I/O and timers of the engine run before it resolves. */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0);
  });
}
