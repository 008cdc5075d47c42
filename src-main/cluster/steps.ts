import type { Clock } from '#base/clock';
import type { MachineProgress } from '#machines/machine';
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

  /** Does the step called `text`, which may be about one node. A failure marks it and goes on to the caller. */
  async run<T>(
    text: string,
    work: (report: (progress: MachineProgress) => void) => Promise<T>,
    node?: string,
  ): Promise<T> {
    const startedMs = this.#clock.now();
    const about = node === undefined ? { text } : { text, node };
    this.#set(text, { ...about, state: 'running' });
    const report = ({ text: detail, fraction }: MachineProgress): void =>
      this.#set(text, { ...about, state: 'running', detail, ...(fraction === undefined ? {} : { fraction }) });
    try {
      const result = await work(report);
      this.#set(text, { ...about, state: 'done', elapsedMs: this.#clock.now() - startedMs });
      return result;
    } catch (error) {
      this.#set(text, { ...about, state: 'failed', elapsedMs: this.#clock.now() - startedMs });
      throw error;
    }
  }

  #set(text: string, step: LabStep): void {
    this.#steps = this.#steps.map((one) => (one.text === text ? step : one));
    this.#tell(this.#steps);
  }
}
