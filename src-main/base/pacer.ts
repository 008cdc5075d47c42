/** `setImmediate` where the platform has it, which saves the millisecond that a timer of 0 costs; both keep the order. */
const { setImmediate: nextTurn = (callback: () => void): void => void setTimeout(callback, 0) } = globalThis as {
  setImmediate?: (callback: () => void) => void;
};

/**
 * The present turn of this thread's event loop, which all pacers share: hundreds of loops, each of them well within a budget of its
 * own, would stall the event loop together.
 */
class Turn {
  #startedMs = 0;
  /** Whether a marker runs first in the next turn. It goes on as long as anybody paces. */
  #marked = false;
  #used = false;
  /** First come, first served. Each has one callback set, which serves whoever is first when it runs. */
  #waiting: (() => void)[] = [];
  #head = 0;

  /** Whether this turn has taken less than `budgetMs`, and nobody waits for the next. */
  hasTime(budgetMs: number): boolean {
    this.#mark();
    return this.#waiting.length === 0 && performance.now() - this.#startedMs < budgetMs;
  }

  /** Resolves in a later turn that has time. */
  wait(budgetMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      nextTurn(() => this.#serve(budgetMs));
    });
  }

  #mark(): void {
    this.#used = true;
    if (this.#marked) return;
    this.#marked = true;
    this.#begin();
  }

  #begin(): void {
    this.#startedMs = performance.now();
    nextTurn(() => {
      this.#marked = this.#used;
      this.#used = false;
      if (this.#marked) this.#begin();
    });
  }

  /** What the one served goes on to do is done before the next callback of this turn, which sees how long it took. */
  #serve(budgetMs: number): void {
    this.#mark();
    if (performance.now() - this.#startedMs >= budgetMs) {
      nextTurn(() => this.#serve(budgetMs));
      return;
    }
    const resolve = this.#waiting[this.#head++];
    if (this.#head === this.#waiting.length) {
      this.#waiting = [];
      this.#head = 0;
    }
    resolve?.();
  }
}

const turn = new Turn();
const proceed = Promise.resolve();

/**
 * Keeps long work from stalling the event loop. Call `pace` often, between pieces of work of less than a millisecond; it gives the
 * loop a turn when everything paced on this thread took more than `budgetMs` of real time since the last.
 */
export class Pacer {
  readonly #budgetMs: number;

  constructor(budgetMs = 8) {
    this.#budgetMs = budgetMs;
  }

  /**
   * Whether `pace` would wait. Where hundreds of callers come at once, `if (pacer.due) await pacer.pace()` lets each go on
   * at once while there is time; with `await` alone all of them would pass before the first has worked.
   */
  get due(): boolean {
    return !turn.hasTime(this.#budgetMs);
  }

  pace(): Promise<void> {
    return this.due ? turn.wait(this.#budgetMs) : proceed;
  }
}
