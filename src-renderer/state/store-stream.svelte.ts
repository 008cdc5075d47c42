import type { StoreChange } from '#contract/store';
import type { WatchRequest } from '#contract/watches';
import type { Connection } from '../ipc/connection.ts';
import { gather } from './gather.ts';
import { StoreTree } from './models/store-tree.view-model.ts';

/** Changes kept for the stream; older ones are in the store itself. */
const keptChanges = 2000;
const rateWindowMs = 10_000;
/** Revisions of the past that the stream begins with. */
const historyRevisions = 200;
const treeRefreshMs = 200;

/**
 * The store of a lab as it changes: the last puts and deletes, newest first, and every key as a tree. The tree is changed in
 * place; `treeVersion` moves, at most a few times a second, when there is something new to draw.
 */
export class StoreStream {
  changes = $state.raw<readonly StoreChange[]>([]);
  revision = $state(0);
  treeVersion = $state(0);
  treeLoaded = $state(false);
  error = $state<string | undefined>();
  readonly tree = new StoreTree();

  readonly #connection: Connection;
  readonly #lab: string;
  #cancel: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #treeTimer: ReturnType<typeof setTimeout> | undefined;
  /** What the tree already knew when it was read. */
  #treeRevision = 0;
  #run = 0;
  #arrivals: { readonly atMs: number; readonly count: number }[] = [];

  constructor(connection: Connection, lab: string) {
    this.#connection = connection;
    this.#lab = lab;
  }

  start(): void {
    this.stop();
    void this.#follow();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#run++;
    clearTimeout(this.#treeTimer);
    this.#treeTimer = undefined;
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Writes a second over the last ten seconds. */
  writesPerSecond(nowMs: number): number {
    const recent = this.#arrivals.filter((one) => one.atMs > nowMs - rateWindowMs);
    return recent.reduce((sum, one) => sum + one.count, 0) / (rateWindowMs / 1000);
  }

  #take(changes: readonly StoreChange[]): void {
    const last = changes.at(-1);
    if (!last) return;
    this.error = undefined;
    for (const change of changes) {
      if (change.revision <= this.#treeRevision) continue;
      if (change.type === 'DELETE') this.tree.delete(change.key);
      else this.tree.put({ key: change.key, modRevision: change.revision, size: change.size });
    }
    this.changes = [...changes.slice(-keptChanges).reverse(), ...this.changes].slice(0, keptChanges);
    this.revision = Math.max(this.revision, last.revision);
    const atMs = Date.now();
    const count = changes.filter((change) => change.revision > this.#treeRevision).length;
    this.#arrivals = [...this.#arrivals.filter((one) => one.atMs > atMs - rateWindowMs), { atMs, count }];
    this.#treeTimer ??= setTimeout(() => {
      this.#treeTimer = undefined;
      this.treeVersion++;
    }, treeRefreshMs);
  }

  /** Reads every key, then watches from a little before, so that the stream does not begin empty. */
  async #follow(): Promise<void> {
    const run = ++this.#run;
    try {
      const range = await this.#connection.call('store.range', { lab: this.#lab, prefix: '/', limit: 100_000 });
      if (run !== this.#run) return;
      this.tree.clear();
      for (const key of range.keys) this.tree.put(key);
      const fromRevision = this.revision > 0 ? this.revision + 1 : Math.max(1, range.revision - historyRevisions);
      this.#treeRevision = range.revision;
      this.treeLoaded = true;
      this.treeVersion++;
      this.#watch({ lab: this.#lab, fromRevision: Math.min(fromRevision, range.revision + 1) });
      this.error = undefined;
    } catch (error) {
      if (run === this.#run) this.#retry(error instanceof Error ? error.message : String(error));
    }
  }

  #watch(request: WatchRequest<'store'>): void {
    this.#cancel = this.#connection.watch('store', request, {
      onEvents: (events) =>
        gather(() => this.#take(events.flatMap((event) => (event.type === 'ADDED' ? [event.object] : [])))),
      onEnd: (error) => {
        this.#cancel = undefined;
        // The history was compacted: from now on, then.
        if (error?.reason === 'Expired' && request.fromRevision !== undefined) this.#watch({ lab: this.#lab });
        else this.#retry(error?.message);
      },
    });
  }

  #retry(problem: string | undefined): void {
    this.error = problem;
    this.#timer = setTimeout(() => this.start(), 1000);
  }
}
