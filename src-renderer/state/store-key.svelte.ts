import { StatusError } from '#api/machinery/status';
import type { StoreChange, StoreRevision, StoreValue } from '#contract/store';
import type { Connection } from '../ipc/connection.ts';

const historyPage = 100;
/** Values kept of the revisions that were looked at. */
const keptValues = 40;
/** Least time between two reads of a key that changes all the time. */
const refreshMs = 250;

/** One key as its page shows it: what is there now, or was last, and its kept revisions. Follows the key as it changes. */
export class StoreKeyView {
  readonly key: string;
  value = $state.raw<StoreValue | undefined>();
  /** The revision that deleted the key; `value` is the last one then. */
  deletedAt = $state<number | undefined>();
  problem = $state<string | undefined>();
  revealed = $state(false);
  history = $state.raw<readonly StoreRevision[]>([]);
  historyLoaded = $state(false);
  more = $state(false);
  compactRevision = $state(0);
  searching = $state(false);
  readonly #connection: Connection;
  readonly #lab: string;
  readonly #values = new Map<string, Promise<StoreValue>>();
  #newest: StoreChange | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #run = 0;
  #lastMs = -Infinity;
  #allLives = false;
  #at: number | undefined;

  constructor(connection: Connection, lab: string, key: string) {
    this.#connection = connection;
    this.#lab = lab;
    this.key = key;
  }

  /**
   * The key's newest change that the stream knows; undefined when it is older than the stream. `at`: the revision to read at;
   * undefined for now.
   */
  follow(newest: StoreChange | undefined, at?: number): void {
    this.#newest = newest;
    this.#at = at;
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        this.#lastMs = performance.now();
        void this.#refresh();
      },
      Math.max(0, this.#lastMs + refreshMs - performance.now()),
    );
  }

  stop(): void {
    this.#run++;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  reveal(revealed: boolean): void {
    this.revealed = revealed;
    this.#values.clear();
    void this.#refresh();
  }

  /** The value as of a revision. Throws StatusError NotFound or Expired. */
  at(revision: number): Promise<StoreValue> {
    const known = this.#values.get(String(revision));
    if (known) return known;
    const reading = this.#get({ revision });
    this.#values.set(String(revision), reading);
    reading.catch(() => this.#values.delete(String(revision)));
    for (const oldest of this.#values.keys()) if (this.#values.size > keptValues) this.#values.delete(oldest);
    return reading;
  }

  /** The value with its bytes. */
  withBytes(revision: number): Promise<StoreValue> {
    return this.#get({ revision, raw: true });
  }

  async readMore(): Promise<void> {
    const last = this.history.at(-1);
    if (last) await this.#readHistory(last.modRevision, false);
  }

  /** Also the revisions before the key was last created: all history is read for it. */
  async readAllLives(): Promise<void> {
    this.#allLives = true;
    this.searching = true;
    await this.#readHistory(undefined, true);
    this.searching = false;
  }

  #get(more: { readonly revision?: number; readonly raw?: boolean }): Promise<StoreValue> {
    const { key, revealed: reveal } = this;
    return this.#connection.call('store.get', { lab: this.#lab, key, reveal, ...more });
  }

  async #refresh(): Promise<void> {
    const run = ++this.#run;
    const deleted = this.#newest?.type === 'DELETE' ? this.#newest.revision : undefined;
    const at = this.#at;
    const wanted = deleted === undefined ? at : deleted - 1;
    try {
      const value = await this.#get(wanted === undefined ? {} : { revision: wanted });
      if (run !== this.#run) return;
      this.value = value;
      this.deletedAt = deleted;
      this.problem = undefined;
    } catch (error) {
      if (run !== this.#run) return;
      const gone = error instanceof StatusError && (error.reason === 'NotFound' || error.reason === 'Expired');
      if (at !== undefined) this.value = undefined;
      const when = at === undefined ? 'is not in the store any more' : `was not in the store at revision ${at}`;
      this.problem = gone ? `This key ${when}.` : messageOf(error);
      this.deletedAt = deleted;
    }
    await this.#readHistory(undefined, this.#allLives);
  }

  async #readHistory(before: number | undefined, allLives: boolean): Promise<void> {
    const run = this.#run;
    const from = before ?? this.deletedAt ?? (this.#at === undefined ? undefined : this.#at + 1);
    const request = { lab: this.#lab, key: this.key, limit: historyPage };
    const upTo = from === undefined ? {} : { before: from };
    try {
      const read = await this.#connection.call('store.history', {
        ...request,
        ...upTo,
        ...(allLives ? { allLives } : {}),
      });
      if (run !== this.#run) return;
      const older = before === undefined ? this.#tombstone() : this.history;
      this.history = [...older, ...read.revisions.filter((one) => one.modRevision !== older[0]?.modRevision)];
      this.more = read.more;
      this.compactRevision = read.compactRevision;
      this.historyLoaded = true;
    } catch (error) {
      if (run === this.#run) this.problem ??= messageOf(error);
    }
  }

  #tombstone(): readonly StoreRevision[] {
    const deleted = this.#newest?.type === 'DELETE' ? this.#newest : undefined;
    if (!deleted) return [];
    const { revision: modRevision, record } = deleted;
    return [{ modRevision, type: 'DELETE', version: 0, createRevision: 0, size: 0, ...(record ? { record } : {}) }];
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
