import type { Clock } from '#base/clock';
import type { MachineProgress } from '#machines/machine';
import type { LabStep } from './lab-view.ts';

/** A step that is to come: its text, or its text and the node that it is about. */
export type ComingStep = string | Pick<LabStep, 'text' | 'node'>;

/** The steps of a start, told whole after each change. */
export class Steps {
  readonly #clock: Clock;
  readonly #tell: (steps: readonly LabStep[]) => void;
  #steps: LabStep[];

  constructor(coming: readonly ComingStep[], clock: Clock, tell: (steps: readonly LabStep[]) => void) {
    this.#clock = clock;
    this.#tell = tell;
    this.#steps = coming.map((step) => ({ ...(typeof step === 'string' ? { text: step } : step), state: 'waiting' }));
    tell(this.#steps);
  }

  /** Does the step called `text`. A failure marks it and goes on to the caller. */
  async run<T>(text: string, work: (report: (progress: MachineProgress) => void) => Promise<T>): Promise<T> {
    const startedMs = this.#clock.now();
    this.#set(text, { state: 'running' });
    const report = ({ text: detail, fraction }: MachineProgress): void =>
      this.#set(text, { state: 'running', detail, ...(fraction === undefined ? {} : { fraction }) });
    try {
      const result = await work(report);
      this.#set(text, { state: 'done', elapsedMs: this.#clock.now() - startedMs });
      return result;
    } catch (error) {
      this.#set(text, { state: 'failed', elapsedMs: this.#clock.now() - startedMs });
      throw error;
    }
  }

  /** What a step is about stays; how far it is is told whole. */
  #set(called: string, progress: Omit<LabStep, 'text' | 'node'>): void {
    this.#steps = this.#steps.map(({ text, node, ...before }) => ({
      ...(node === undefined ? { text } : { text, node }),
      ...(text === called ? progress : before),
    }));
    this.#tell(this.#steps);
  }
}
