import type { RewindStep } from '#contract/rewind';

export const playSpeeds = [1, 2, 5, 10, 100] as const;
export type PlaySpeed = (typeof playSpeeds)[number];

/** The longest that playing waits between two revisions, in the watcher's own time, whatever the speed. */
export const longestWaitMs = 2000;
/** A page that was not drawn for a while does not make up for it all at once. */
const longestTickMs = 250;

/**
 * Plays revisions in the rhythm in which they were written: at speed 10 what took five seconds takes half a second. A silence
 * that would take longer than {@link longestWaitMs} is shortened to that. Steps are added as they are read; time is told from outside.
 */
export class Playback {
  speed: PlaySpeed;
  readonly #queue: RewindStep[] = [];
  #head = 0;
  #lastMs: number;
  #waitedMs = 0;

  /** `startMs`: the time of the revision that playing starts from. */
  constructor(startMs: number, speed: PlaySpeed) {
    this.#lastMs = startMs;
    this.speed = speed;
  }

  /** Steps that are not played yet. */
  get buffered(): number {
    return this.#queue.length - this.#head;
  }

  add(steps: readonly RewindStep[]): void {
    this.#queue.splice(0, this.#head);
    this.#head = 0;
    this.#queue.push(...steps);
  }

  /** The steps whose time has come when `realMs` more have gone by. Without steps no time passes. */
  advance(realMs: number): readonly RewindStep[] {
    const due: RewindStep[] = [];
    this.#waitedMs += Math.min(longestTickMs, Math.max(0, realMs));
    for (let next = this.#next; next; next = this.#next) {
      const waitMs = this.#waitFor(next);
      if (this.#waitedMs < waitMs) return due;
      this.#waitedMs -= waitMs;
      this.#lastMs = this.#timeOf(next);
      this.#head++;
      due.push(next);
    }
    this.#waitedMs = 0;
    return due;
  }

  /** The lab's time at the moment: between two revisions it goes on, faster where a silence is shortened. */
  get nowMs(): number {
    const next = this.#next;
    if (!next) return this.#lastMs;
    const waitMs = this.#waitFor(next);
    const part = waitMs === 0 ? 1 : Math.min(1, this.#waitedMs / waitMs);
    return this.#lastMs + part * (this.#timeOf(next) - this.#lastMs);
  }

  /** How long the silence is that is being shortened; undefined when none is. */
  get shortenedMs(): number | undefined {
    const next = this.#next;
    const gapMs = next ? this.#timeOf(next) - this.#lastMs : 0;
    return gapMs / this.speed > longestWaitMs ? gapMs : undefined;
  }

  get #next(): RewindStep | undefined {
    return this.#queue[this.#head];
  }

  #waitFor(next: RewindStep): number {
    return Math.min(longestWaitMs, (this.#timeOf(next) - this.#lastMs) / this.speed);
  }

  /** Never before what was played: records of several masters may be a little out of order. */
  #timeOf(step: RewindStep): number {
    return Math.max(this.#lastMs, step.timeMs ?? this.#lastMs);
  }
}
