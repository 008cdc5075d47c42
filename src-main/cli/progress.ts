import type { Clock } from '#base/clock';
import type { ProgressStep } from '#contract/labs';

/** Where progress is drawn: stderr, or a test's record. */
export interface ProgressOutput {
  readonly isTTY: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface Progress {
  /** `done` of `total` steps are behind; `text` says what is going on now. */
  /** `fraction` of the current step, 0 to 1, where it is known: shown where a line can be drawn again. */
  update(done: number, total: number, text: string, fraction?: number): void;
  /** Takes the bar off the screen; plain lines stay. */
  finish(): void;
}

/** Tells of the step that goes on now, with what it does in detail. */
export function showSteps(progress: Progress, steps: readonly ProgressStep[]): void {
  const done = steps.filter((step) => step.state === 'done').length;
  const current = steps.find((step) => step.state === 'running') ?? steps[Math.max(0, done - 1)];
  if (!current) return;
  progress.update(
    done,
    steps.length,
    current.detail ? `${current.text}: ${current.detail}` : current.text,
    current.fraction,
  );
}

/** A bar on a terminal, a plain line for each new text elsewhere. */
export function createProgress(output: ProgressOutput, clock: Clock): Progress {
  return output.isTTY ? new BarProgress(output) : new LineProgress(output, clock);
}

class LineProgress implements Progress {
  readonly #output: ProgressOutput;
  readonly #clock: Clock;
  readonly #startedMs: number;
  #last = '';

  constructor(output: ProgressOutput, clock: Clock) {
    this.#output = output;
    this.#clock = clock;
    this.#startedMs = clock.now();
  }

  update(done: number, total: number, text: string): void {
    if (text === this.#last) return;
    this.#last = text;
    const seconds = ((this.#clock.now() - this.#startedMs) / 1000).toFixed(1);
    this.#output.write(`[${done}/${total}] ${text} (${seconds} s)\n`);
  }

  finish(): void {
    this.#last = '';
  }
}

const barWidth = 24;

class BarProgress implements Progress {
  readonly #output: ProgressOutput;

  constructor(output: ProgressOutput) {
    this.#output = output;
  }

  update(done: number, total: number, text: string, fraction = 0): void {
    const filled = total === 0 ? 0 : Math.round((barWidth * (done + fraction)) / total);
    const bar = `${'█'.repeat(filled)}${'░'.repeat(barWidth - filled)}`;
    const room = (this.#output.columns || 80) - barWidth - 12;
    this.#output.write(`\r\u001b[2K${bar} ${String(done).padStart(2)}/${total} ${text.slice(0, Math.max(room, 10))}`);
  }

  finish(): void {
    this.#output.write('\r\u001b[2K');
  }
}
