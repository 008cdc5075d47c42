import type { Clock } from '#base/clock';
import type { LabStep } from './lab-view.ts';

/** The steps of a start, told whole after each change. */
export class Steps {
  readonly #clock: Clock;
  readonly #tell: (steps: readonly LabStep[]) => void;
  #steps: LabStep[];

  constructor(texts: readonly string[], clock: Clock, tell: (steps: readonly LabStep[]) => void) {
    this.#clock = clock;
    this.#tell = tell;
    this.#steps = texts.map((text) => ({ text, state: 'waiting' }));
    tell(this.#steps);
  }

  /** Does the step called `text`. A failure marks it and goes on to the caller. */
  async run<T>(text: string, work: () => Promise<T>): Promise<T> {
    const startedMs = this.#clock.now();
    this.#set(text, { text, state: 'running' });
    try {
      const result = await work();
      this.#set(text, { text, state: 'done', elapsedMs: this.#clock.now() - startedMs });
      return result;
    } catch (error) {
      this.#set(text, { text, state: 'failed', elapsedMs: this.#clock.now() - startedMs });
      throw error;
    }
  }

  #set(text: string, step: LabStep): void {
    this.#steps = this.#steps.map((one) => (one.text === text ? step : one));
    this.#tell(this.#steps);
  }
}
