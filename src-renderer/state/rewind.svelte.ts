import { StatusError } from '#api/machinery/status';
import type { RewindMoment, RewindSpan, RewindStep } from '#contract/rewind';
import type { Connection } from '../ipc/connection.ts';
import { Playback, type PlaySpeed } from './models/playback.view-model.ts';
import { PastObjects } from './past-objects.svelte.ts';
import { RewindReader } from './rewind-reader.ts';
import type { Ticker } from './ticker.svelte.ts';

/** So near a revision is reached by the changes on the way; from farther off everything is read anew. */
const nearRevisions = 400;
/** While playing, steps are read ahead so far. */
const aheadSteps = 256;
const tickMs = 50;
const rangeEveryMs = 2000;
/** Bars behind the slider for the history that is there when it opens, and for each piece that comes later. */
const spanCount = 240;
const newSpanRevisions = 50;

/** What the view has moved to. `steps`: the revisions since the one before, in order; absent after a leap or a step back. */
export interface Move {
  readonly revision: number;
  readonly steps?: readonly RewindStep[];
}

/**
 * Where in its history a lab is looked at. `moment` is undefined while that is now. It only ever reads, and what the lab does
 * meanwhile goes on unseen.
 */
export class Rewind {
  /** The revision that is shown; undefined for now. */
  moment = $state.raw<RewindMoment | undefined>();
  /** The revision that was asked for; ahead of `moment` while it is read. */
  target = $state<number | undefined>();
  /** The slider is on the screen. */
  shown = $state(false);
  oldest = $state(1);
  newest = $state(1);
  playing = $state(false);
  speed = $state<PlaySpeed>(1);
  /** How long the silence is that is being shortened while playing. */
  shortenedMs = $state<number | undefined>();
  /** What happened to what was asked for, for a person. */
  notice = $state<string | undefined>();
  spans = $state.raw<readonly RewindSpan[]>([]);
  readonly objects = new PastObjects();

  readonly #reader: RewindReader;
  readonly #ticker: Ticker;
  readonly #listeners = new Set<(move: Move | undefined) => void>();
  #playback: Playback | undefined;
  #playedMs = 0;
  #fetching = false;
  /** The last revision that was read ahead. */
  #fetchedTo = 0;
  #moving = false;
  /** Counts returns to now: what an earlier stay still has in hand is dropped. */
  #stay = 0;
  #playTimer: ReturnType<typeof setInterval> | undefined;
  #rangeTimer: ReturnType<typeof setInterval> | undefined;
  #cancelSpans: (() => void) | undefined;

  constructor(connection: Connection, lab: string, ticker: Ticker) {
    this.#reader = new RewindReader(connection, lab);
    this.#ticker = ticker;
  }

  /** Whether the past is shown. */
  get active(): boolean {
    return this.moment !== undefined;
  }

  /** Hears each move; undefined is the return to now. */
  onMove(listener: (move: Move | undefined) => void): void {
    this.#listeners.add(listener);
  }

  /** Shows the slider. What is on the screen stays now until the slider moves. */
  show(): void {
    if (this.shown) return;
    this.shown = true;
    this.notice = undefined;
    void this.#refreshRange();
    this.#rangeTimer = setInterval(() => void this.#refreshRange(), rangeEveryMs);
  }

  /** Back to now, and away with the slider. */
  hide(): void {
    this.leave();
    this.shown = false;
    clearInterval(this.#rangeTimer);
    this.#cancelSpans?.();
    this.#cancelSpans = undefined;
    this.spans = [];
  }

  /** Back to now. */
  leave(): void {
    this.pause();
    this.#stay++;
    this.target = undefined;
    if (!this.active) return;
    this.moment = undefined;
    this.#ticker.hold(undefined);
    this.objects.replace(new Map());
    for (const listener of this.#listeners) listener(undefined);
  }

  /** Goes to a revision as soon as what is on its way has arrived; of several wishes the last one counts. */
  seek(revision: number): void {
    this.show();
    this.pause();
    this.notice = undefined;
    this.#aim(revision);
  }

  step(by: number): void {
    const from = this.target ?? this.moment?.revision ?? this.newest;
    if (from + by >= this.newest && by > 0) this.leave();
    else this.seek(Math.max(this.oldest, from + by));
  }

  play(): void {
    const from = this.moment;
    if (!from || this.playing) return;
    this.playing = true;
    this.#playback = new Playback(from.timeMs ?? this.#ticker.nowMs, this.speed);
    this.#fetchedTo = from.revision;
    this.#playedMs = performance.now();
    this.#playTimer = setInterval(() => this.#play(), tickMs);
  }

  pause(): void {
    this.playing = false;
    this.shortenedMs = undefined;
    clearInterval(this.#playTimer);
    this.#playback = undefined;
  }

  setSpeed(speed: PlaySpeed): void {
    this.speed = speed;
    if (this.#playback) this.#playback.speed = speed;
  }

  #aim(revision: number): void {
    this.target = Math.max(this.oldest, revision);
    void this.#moveOn();
  }

  async #moveOn(): Promise<void> {
    if (this.#moving) return;
    this.#moving = true;
    try {
      for (let to = this.target; to !== undefined && to !== this.moment?.revision; to = this.target) await this.#go(to);
    } finally {
      this.#moving = false;
    }
  }

  async #go(to: number): Promise<void> {
    const stay = this.#stay;
    const here = this.moment?.revision;
    try {
      if (here === undefined || Math.abs(to - here) > nearRevisions) await this.#leap(to, stay);
      else if (to > here) await this.#forward(here, to, stay);
      else await this.#backward(here, to, stay);
    } catch (error) {
      if (stay !== this.#stay) return;
      await this.#miss(to, error);
    }
  }

  async #leap(to: number, stay: number): Promise<void> {
    const { moment, objects } = await this.#reader.state(to);
    if (stay !== this.#stay) return;
    this.objects.replace(objects);
    this.#arrive(moment);
  }

  async #forward(here: number, to: number, stay: number): Promise<void> {
    const { steps } = await this.#reader.changes(here + 1, to);
    const last = steps.at(-1);
    if (stay !== this.#stay) return;
    if (!last) this.target = here;
    else this.#take(steps, last);
  }

  /** What was read may end early: then only that much is known of the way, and everything is read anew. */
  async #backward(here: number, to: number, stay: number): Promise<void> {
    const { base, steps } = await this.#reader.changes(to + 1, here, true);
    if (stay !== this.#stay) return;
    if (steps.at(-1)?.revision !== here) return this.#leap(to, stay);
    this.objects.undo(steps.flatMap((step) => step.changes));
    this.#arrive(base);
  }

  #take(steps: readonly RewindStep[], last: RewindStep): void {
    this.objects.apply(steps.flatMap((step) => step.changes));
    this.#arrive(last, steps);
  }

  #arrive(moment: RewindMoment, steps?: readonly RewindStep[]): void {
    this.moment = moment;
    if (moment.timeMs !== undefined) this.#ticker.hold(moment.timeMs);
    const move = { revision: moment.revision, ...(steps ? { steps } : {}) };
    for (const listener of this.#listeners) listener(move);
  }

  /** Of what is compacted the oldest that is kept is shown instead. */
  async #miss(to: number, error: unknown): Promise<void> {
    this.pause();
    const expired = error instanceof StatusError && error.reason === 'Expired';
    if (expired && (await this.#refreshRange()) && this.oldest > to) {
      this.notice = `Revision ${to} is compacted away; this is the oldest that is kept, ${this.oldest}.`;
      if (this.target === to) this.target = this.oldest;
    } else {
      this.notice = `Revision ${to} cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
      this.target = this.moment?.revision;
    }
  }

  #play(): void {
    const playback = this.#playback;
    if (!playback) return;
    const nowMs = performance.now();
    const steps = playback.advance(nowMs - this.#playedMs);
    this.#playedMs = nowMs;
    this.shortenedMs = playback.shortenedMs;
    const last = steps.at(-1);
    if (last) {
      this.target = last.revision;
      this.#take(steps, last);
    }
    this.#ticker.hold(playback.nowMs);
    if (playback.buffered < aheadSteps / 2 && !this.#fetching) void this.#fetch(playback);
  }

  async #fetch(playback: Playback): Promise<void> {
    this.#fetching = true;
    try {
      const from = this.#fetchedTo + 1;
      const { steps, newestRevision } = await this.#reader.changes(from, from + aheadSteps - 1);
      if (playback !== this.#playback) return;
      playback.add(steps);
      this.#fetchedTo = steps.at(-1)?.revision ?? this.#fetchedTo;
      this.newest = Math.max(this.newest, newestRevision);
      // Played to the end: that is now.
      if (steps.length === 0 && playback.buffered === 0) this.leave();
    } catch (error) {
      if (playback === this.#playback) await this.#miss(this.#fetchedTo + 1, error);
    } finally {
      this.#fetching = false;
    }
  }

  /** Whether it could be read. */
  async #refreshRange(): Promise<boolean> {
    try {
      const { oldest, newest } = await this.#reader.range();
      this.oldest = oldest.revision;
      this.newest = Math.max(oldest.revision, newest.revision);
      this.#readSpans();
      this.#leaveCompacted();
      return true;
    } catch (error) {
      this.notice = `The history cannot be read: ${error instanceof Error ? error.message : String(error)}`;
      return false;
    }
  }

  /** What is looked at was compacted meanwhile. */
  #leaveCompacted(): void {
    const at = this.moment?.revision;
    if (at === undefined || at >= this.oldest || this.playing) return;
    this.notice = `Revision ${at} was compacted away meanwhile; this is the oldest that is kept, ${this.oldest}.`;
    this.#aim(this.oldest);
  }

  #readSpans(): void {
    const known = this.spans.at(-1)?.last ?? 0;
    const first = known === 0;
    if (!this.shown || this.#cancelSpans || this.newest - known < (first ? 1 : newSpanRevisions)) return;
    const count = first ? spanCount : Math.max(1, Math.round((this.newest - known) / newSpanRevisions));
    const to = this.newest;
    const cancel = this.#reader.writes(Math.max(this.oldest, known + 1), to, count, (spans) => {
      if (cancel !== this.#cancelSpans) return;
      this.spans = [...this.spans.filter((one) => one.last >= this.oldest), ...spans];
      if ((this.spans.at(-1)?.last ?? 0) >= to) this.#cancelSpans = undefined;
    });
    this.#cancelSpans = cancel;
  }
}
