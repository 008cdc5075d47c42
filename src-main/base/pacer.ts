import { yieldToEventLoop } from './clock.ts';

/**
 * Keeps long work from stalling the event loop. Call `pace` often; it gives the loop a turn when more than `budgetMs`
 * of real time went by since the last turn.
 */
export class Pacer {
  readonly #budgetMs: number;
  #turnStartedMs = performance.now();

  constructor(budgetMs = 8) {
    this.#budgetMs = budgetMs;
  }

  async pace(): Promise<void> {
    if (performance.now() - this.#turnStartedMs < this.#budgetMs) return;
    await yieldToEventLoop();
    this.#turnStartedMs = performance.now();
  }
}
