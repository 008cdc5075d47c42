import type { StoreKey } from '#contract/store';

interface Branch {
  readonly children: Map<string, Branch>;
  /** Set where a key ends. A branch can hold a key and children. */
  entry: StoreKey | undefined;
  /** Keys here and below. */
  keys: number;
}

export interface TreeRow {
  /** The whole prefix, with a trailing slash for a branch. */
  readonly path: string;
  readonly label: string;
  readonly depth: number;
  readonly keys: number;
  readonly expanded: boolean;
  /** Set on a row that is a key. */
  readonly entry: StoreKey | undefined;
}

/**
 * The store's keys as a tree of their path segments, kept up to date one put or delete at a time:
 *
 *     /registry/pods/default/web-0   ->   registry (2) > pods (2) > default (2) > web-0
 *     /registry/pods/default/web-1                                                web-1
 */
export class StoreTree {
  readonly #root: Branch = emptyBranch();

  get size(): number {
    return this.#root.keys;
  }

  put(entry: StoreKey): void {
    const isNew = this.get(entry.key) === undefined;
    let branch = this.#root;
    if (isNew) branch.keys++;
    for (const segment of segmentsOf(entry.key)) {
      let next = branch.children.get(segment);
      if (!next) branch.children.set(segment, (next = emptyBranch()));
      if (isNew) next.keys++;
      branch = next;
    }
    branch.entry = entry;
  }

  delete(key: string): void {
    if (this.get(key) === undefined) return;
    let branch = this.#root;
    branch.keys--;
    for (const segment of segmentsOf(key)) {
      const next = branch.children.get(segment);
      if (!next) return;
      next.keys--;
      if (next.keys === 0) branch.children.delete(segment);
      branch = next;
    }
    branch.entry = undefined;
  }

  get(key: string): StoreKey | undefined {
    let branch: Branch | undefined = this.#root;
    for (const segment of segmentsOf(key)) branch = branch?.children.get(segment);
    return branch?.entry;
  }

  clear(): void {
    this.#root.children.clear();
    this.#root.keys = 0;
  }

  /** The rows that are visible when the branches in `expanded` are open. With a filter, every match and the way to it. */
  rows(expanded: ReadonlySet<string>, filter = ''): readonly TreeRow[] {
    const rows: TreeRow[] = [];
    this.#walk(this.#root, '', 0, expanded, filter.toLowerCase(), rows);
    return rows;
  }

  #walk(
    branch: Branch,
    prefix: string,
    depth: number,
    expanded: ReadonlySet<string>,
    filter: string,
    rows: TreeRow[],
  ): void {
    for (const [label, child] of [...branch.children].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const key = `${prefix}/${label}`;
      const path = `${key}/`;
      const matches = filter !== '' && key.toLowerCase().includes(filter);
      if (filter !== '' && !matches && !holds(child, key, filter)) continue;
      if (child.entry) rows.push({ path: key, label, depth, keys: 1, expanded: false, entry: child.entry });
      if (child.children.size === 0) continue;
      const open = expanded.has(path) || (filter !== '' && !matches);
      rows.push({ path, label, depth, keys: child.keys - (child.entry ? 1 : 0), expanded: open, entry: undefined });
      if (open) this.#walk(child, key, depth + 1, expanded, matches ? '' : filter, rows);
    }
  }
}

function holds(branch: Branch, prefix: string, filter: string): boolean {
  for (const [label, child] of branch.children) {
    const key = `${prefix}/${label}`;
    if (key.toLowerCase().includes(filter) || holds(child, key, filter)) return true;
  }
  return false;
}

function emptyBranch(): Branch {
  return { children: new Map(), entry: undefined, keys: 0 };
}

function segmentsOf(key: string): readonly string[] {
  return (key.startsWith('/') ? key.slice(1) : key).split('/');
}
