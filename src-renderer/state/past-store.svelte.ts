import type { RewindStep } from '#contract/rewind';
import type { StoreAccess, StoreChange } from '#contract/store';
import type { Connection } from '../ipc/connection.ts';
import { ChangeRing } from './models/change-ring.view-model.ts';
import { StoreRates } from './models/store-rates.view-model.ts';
import { RewindReader } from './rewind-reader.ts';
import type { Move, Rewind } from './rewind.svelte.ts';
import { StoreKeys } from './store-keys.svelte.ts';

const keptChanges = 2000;
/** Changes before the revision that is shown, read once the slider rests a moment. */
const historyRevisions = 200;
const restMs = 120;

/** The store as it was at the revision that is looked at, in the shape of a `StoreStream`: the views do not know which they show. */
export class PastStore {
  version = $state(0);
  /** The revision that everything is read at. */
  at = $state<number | undefined>();
  error = $state<string | undefined>();
  /** A new one after each leap, so that who shows it begins anew. */
  ring = $state.raw(new ChangeRing(keptChanges));
  keys: StoreKeys;
  readonly live = false;
  /** Nothing is written in the past. */
  readonly rates = new StoreRates();
  readonly #connection: Connection;
  readonly #lab: string;
  readonly #reader: RewindReader;
  readonly #accessOf: () => StoreAccess | undefined;
  readonly #newest = new Map<string, StoreChange>();
  /** What has been played since the last leap. */
  #news = new ChangeRing(keptChanges);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #run = 0;

  constructor(connection: Connection, lab: string, rewind: Rewind, accessOf: () => StoreAccess | undefined) {
    this.#connection = connection;
    this.#lab = lab;
    this.#reader = new RewindReader(connection, lab);
    this.#accessOf = accessOf;
    this.keys = $state.raw(this.#keys());
    rewind.onMove((move) => this.#move(move, rewind));
  }

  get revision(): number {
    return this.at ?? 0;
  }

  get access(): StoreAccess | undefined {
    return this.#accessOf();
  }

  writesPerSecond(): number {
    return 0;
  }

  /** The last change of `key` up to the revision that is shown; undefined when it is older than the changes that are kept. */
  newestOf(key: string): StoreChange | undefined {
    return this.#newest.get(key);
  }

  #move(move: Move | undefined, rewind: Rewind): void {
    const before = this.at;
    this.at = move?.revision;
    if (!move) this.#forget();
    else if (move.steps && before !== undefined && move.steps[0]?.revision === before + 1) this.#play(move.steps);
    else this.#leap(move.revision, rewind);
    this.version++;
  }

  #play(steps: readonly RewindStep[]): void {
    const changes = steps.flatMap(changesOf);
    for (const change of changes) {
      this.#news.push(change);
      this.ring.push(change);
      this.#newest.set(change.key, change);
    }
    this.keys.take(changes);
  }

  #forget(): void {
    this.#run++;
    clearTimeout(this.#timer);
    this.#newest.clear();
    this.#news = new ChangeRing(keptChanges);
    this.ring = new ChangeRing(keptChanges);
  }

  #leap(revision: number, rewind: Rewind): void {
    const open = [...this.keys.open];
    this.#forget();
    this.keys = this.#keys();
    for (const prefix of open) this.keys.open.add(prefix);
    const run = this.#run;
    this.#timer = setTimeout(() => void this.#readHistory(revision, rewind.oldest, run), restMs);
  }

  async #readHistory(revision: number, oldest: number, run: number): Promise<void> {
    const from = Math.max(oldest + 1, revision - historyRevisions + 1);
    try {
      const { steps } = from > revision ? { steps: [] } : await this.#reader.changes(from, revision);
      if (run !== this.#run) return;
      const ring = new ChangeRing(keptChanges);
      for (const change of [...steps.flatMap(changesOf), ...this.#news.newest().reverse()]) {
        ring.push(change);
        this.#newest.set(change.key, change);
      }
      this.ring = ring;
      this.error = undefined;
    } catch (error) {
      if (run === this.#run) this.error = error instanceof Error ? error.message : String(error);
    }
    this.version++;
  }

  #keys(): StoreKeys {
    return new StoreKeys(this.#connection, this.#lab, this.#news, () => this.at);
  }
}

function changesOf(step: RewindStep): readonly StoreChange[] {
  const { revision, record } = step;
  return step.writes.map((write) => ({ ...write, revision, ...(record ? { record } : {}) }));
}
