import type { StoreChange } from '#contract/store';
import type { Connection } from '../ipc/connection.ts';
import { StoreTree } from './models/store-tree.view-model.ts';

/** Changes kept for the stream; older ones are in the store itself. */
const keptChanges = 2000;
const rateWindowMs = 10_000;
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
  #arrivals: { readonly atMs: number; readonly count: number }[] = [];

  constructor(connection: Connection, lab: string) {
    this.#connection = connection;
    this.#lab = lab;
  }

  start(): void {
    this.stop();
    const request = this.revision > 0 ? { lab: this.#lab, fromRevision: this.revision + 1 } : { lab: this.#lab };
    this.#cancel = this.#connection.watch('store', request, {
      onEvents: (events) => this.#take(events.flatMap((event) => (event.type === 'ADDED' ? [event.object] : []))),
      onEnd: (error) => {
        this.#cancel = undefined;
        if (error?.reason === 'Expired') this.revision = 0;
        else this.error = error?.message;
        this.#timer = setTimeout(() => this.start(), 1000);
      },
    });
    void this.#loadTree();
  }

  stop(): void {
    clearTimeout(this.#timer);
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
      if (change.type === 'DELETE') this.tree.delete(change.key);
      else this.tree.put({ key: change.key, modRevision: change.revision, size: change.size });
    }
    this.changes = [...changes.slice(-keptChanges).reverse(), ...this.changes].slice(0, keptChanges);
    this.revision = Math.max(this.revision, last.revision);
    const atMs = Date.now();
    this.#arrivals = [
      ...this.#arrivals.filter((one) => one.atMs > atMs - rateWindowMs),
      { atMs, count: changes.length },
    ];
    this.#treeTimer ??= setTimeout(() => {
      this.#treeTimer = undefined;
      this.treeVersion++;
    }, treeRefreshMs);
  }

  async #loadTree(): Promise<void> {
    try {
      const range = await this.#connection.call('store.range', { lab: this.#lab, prefix: '/', limit: 100_000 });
      const newer = this.changes.filter((change) => change.revision > range.revision).reverse();
      this.tree.clear();
      for (const key of range.keys) this.tree.put(key);
      for (const change of newer) {
        if (change.type === 'DELETE') this.tree.delete(change.key);
        else this.tree.put({ key: change.key, modRevision: change.revision, size: change.size });
      }
      this.revision = Math.max(this.revision, range.revision);
      this.treeLoaded = true;
      this.treeVersion++;
    } catch (error) {
      this.error = error instanceof Error ? error.message : String(error);
    }
  }
}
