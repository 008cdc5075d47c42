import { untrack } from 'svelte';
import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import type { StoreChange } from '#contract/store';
import type { Connection } from '../ipc/connection.ts';
import type { ChangeRing } from './models/change-ring.view-model.ts';
import { prefixesOf, StoreTree, type TreeRows } from './models/store-tree.view-model.ts';

/** Entries of a level asked for at once, and how often the tree is drawn while much changes. */
const pageSize = 500;
const redrawMs = 120;

/**
 * The tree of keys as somebody looks at it: levels are read when they are opened, page by page, and kept up to date by the stream
 * afterwards. The tree is changed in place; `version` says when there is something new to draw.
 */
export class StoreKeys {
  readonly open = new SvelteSet<string>();
  /** Why a level cannot be read, by its prefix. */
  readonly problems = new SvelteMap<string, string>();
  version = $state(0);
  readonly #tree = new StoreTree();
  readonly #connection: Connection;
  readonly #lab: string;
  readonly #ring: ChangeRing;
  readonly #reading = new Map<string, Promise<void>>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #run = 0;

  readonly #at: () => number | undefined;

  /** `at`: the revision to read at; undefined for now. `ring` holds what came after that was read. */
  constructor(connection: Connection, lab: string, ring: ChangeRing, at: () => number | undefined = () => undefined) {
    this.#at = at;
    this.#connection = connection;
    this.#lab = lab;
    this.#ring = ring;
  }

  readonly rows: TreeRows = $derived.by(() => (this.version, this.#tree.rows(this.open)));

  /** Opens or shuts a branch. What is shut is forgotten, and read again when it is opened. */
  toggle(prefix: string): void {
    if (!this.open.has(prefix)) this.open.add(prefix);
    else {
      for (const one of [...this.open]) if (one.startsWith(prefix)) this.open.delete(one);
      this.#tree.close(prefix);
    }
    this.#changed();
  }

  /** Opens every branch on the way to a key or branch. */
  reveal(path: string): void {
    for (const prefix of prefixesOf(path)) if (prefix !== '' && prefix !== path) this.open.add(prefix);
    if (path.endsWith('/')) this.open.add(path);
    this.#changed();
  }

  /** Reads the level's next page; one at a time. */
  load(prefix: string, from: string | undefined): Promise<void> {
    const known = this.#reading.get(prefix);
    if (known) return known;
    const reading = this.#load(prefix, from).finally(() => this.#reading.delete(prefix));
    this.#reading.set(prefix, reading);
    return reading;
  }

  take(changes: readonly StoreChange[]): void {
    for (const change of changes) this.#tree.apply(change);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#changed();
    }, redrawMs);
  }

  /** Forgets what was read; what is open is read again. */
  reload(): void {
    this.#run++;
    this.#reading.clear();
    this.#tree.clear();
    this.problems.clear();
    this.#changed();
  }

  /** May be called within an effect that draws the tree. */
  #changed(): void {
    this.version = untrack(() => this.version) + 1;
  }

  async #load(prefix: string, from: string | undefined): Promise<void> {
    const run = this.#run;
    try {
      const revision = this.#at();
      const request = {
        ...{ lab: this.#lab, prefix, limit: pageSize },
        ...(from === undefined ? {} : { from }),
        ...(revision === undefined ? {} : { revision }),
      };
      const level = await this.#connection.call('store.level', request);
      if (run !== this.#run) return;
      const since = this.#ring.since(level.revision);
      this.problems.delete(prefix);
      if (since) this.#tree.add(prefix, from, level, since);
      this.#changed();
    } catch (error) {
      if (run === this.#run) this.problems.set(prefix, error instanceof Error ? error.message : String(error));
    }
  }
}
