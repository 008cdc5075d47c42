import type { StoreAccess, StoreChange } from '#contract/store';
import type { WatchRequest } from '#contract/watches';
import type { Connection } from '../ipc/connection.ts';
import { gather } from './gather.ts';
import { ChangeRing } from './models/change-ring.view-model.ts';
import { StoreRates } from './models/store-rates.view-model.ts';
import { StoreKeys } from './store-keys.svelte.ts';

/** Changes kept for the stream; older ones are in the store itself. */
const keptChanges = 5000;
/** Revisions of the past that the stream begins with. */
const historyRevisions = 200;

/**
 * The store of a lab as it changes. Every put and delete comes here and is counted; the last ones are kept. `version` moves when
 * there is something new to draw, at most once for each update of the screen. The keys are read only where somebody looks.
 */
export class StoreStream {
  version = $state(0);
  revision = $state(0);
  /** Whether the stream follows; `error` says why not. */
  live = $state(false);
  error = $state<string | undefined>();
  /** How etcdctl reaches the store. */
  access = $state.raw<StoreAccess | undefined>();
  /** What it is read at: now, always. */
  readonly at: number | undefined = undefined;
  readonly ring = new ChangeRing(keptChanges);
  readonly rates = new StoreRates();
  readonly keys: StoreKeys;

  readonly #connection: Connection;
  readonly #lab: string;
  #cancel: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The revision from which on changes are news. */
  #newsFrom = 0;
  #run = 0;
  /** The newest change of each key that is in the ring. */
  readonly #newest = new Map<string, StoreChange>();

  constructor(connection: Connection, lab: string) {
    this.#connection = connection;
    this.#lab = lab;
    this.keys = new StoreKeys(connection, lab, this.ring);
  }

  start(): void {
    this.stop();
    void this.#follow();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#run++;
    this.live = false;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Puts and deletes a second over the last ten seconds. */
  writesPerSecond(nowMs: number): number {
    const { puts, deletes } = this.rates.perSecond(nowMs);
    return puts + deletes;
  }

  /** The last change of `key` that came; undefined when none is kept. */
  newestOf(key: string): StoreChange | undefined {
    return this.#newest.get(key);
  }

  #take(changes: readonly StoreChange[]): void {
    const last = changes.at(-1);
    if (!last) return;
    const before = this.revision;
    const fresh = changes.filter((change) => change.revision >= before);
    for (const change of fresh) {
      this.ring.push(change);
      this.#newest.set(change.key, change);
    }
    if (this.#newest.size > 2 * keptChanges) this.#forgetOld();
    this.keys.take(fresh);
    // The page's own clock: what counts is when it came.
    this.rates.add(
      fresh.filter((change) => change.revision > this.#newsFrom),
      Date.now(),
    );
    this.revision = Math.max(before, last.revision);
    this.error = undefined;
    this.version++;
  }

  #forgetOld(): void {
    this.#newest.clear();
    for (let index = this.ring.length - 1; index >= 0; index--) {
      const change = this.ring.at(index);
      if (change) this.#newest.set(change.key, change);
    }
  }

  /** Watches from a little before now, so that the stream does not begin empty; later from where it was. */
  async #follow(): Promise<void> {
    const run = ++this.#run;
    try {
      const status = await this.#connection.call('store.status', { lab: this.#lab });
      if (run !== this.#run) return;
      const { revision, compactRevision } = status;
      this.access = status.access;
      const first = Math.max(1, compactRevision, revision - historyRevisions);
      // A store that was restored from a snapshot may be behind what was seen of it.
      const seen = this.revision > revision ? 0 : this.revision;
      if (seen === 0) this.#forgetAll(revision);
      this.#watch({ lab: this.#lab, fromRevision: seen > 0 ? seen + 1 : first });
    } catch (error) {
      if (run === this.#run) this.#retry(error instanceof Error ? error.message : String(error));
    }
  }

  #forgetAll(newsFrom: number): void {
    this.ring.clear();
    this.#newest.clear();
    this.keys.reload();
    this.#newsFrom = newsFrom;
    this.revision = 0;
  }

  #watch(request: WatchRequest<'store'>): void {
    const run = this.#run;
    this.#cancel = this.#connection.watch('store', request, {
      onEvents: (events) =>
        gather(() => {
          if (run !== this.#run) return;
          this.live = true;
          this.#take(events.flatMap((event) => (event.type === 'ADDED' ? [event.object] : [])));
        }),
      onEnd: (error) => {
        this.#cancel = undefined;
        this.live = false;
        // The history was compacted meanwhile: from now on, then.
        if (error?.reason === 'Expired') this.revision = 0;
        this.#retry(error?.reason === 'Expired' ? undefined : error?.message);
      },
    });
  }

  #retry(problem: string | undefined): void {
    this.error = problem;
    this.#timer = setTimeout(() => this.start(), 1000);
  }
}
