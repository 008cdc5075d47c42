import type { StoreBranch, StoreChange, StoreKey, StoreLevel } from '#contract/store';

type Entry = StoreKey | StoreBranch;

/** Neighbours of one level as they were at `revision`, and as changes after it made them. */
interface Page {
  readonly revision: number;
  /** First key that the page does not cover; undefined at the end of the level. */
  readonly end: string | undefined;
  readonly entries: Entry[];
}

interface Level {
  readonly prefix: string;
  readonly pages: Page[];
}

export type TreeRow =
  | {
      readonly kind: 'branch';
      readonly path: string;
      readonly label: string;
      readonly depth: number;
      readonly keys: number;
      readonly open: boolean;
    }
  | {
      readonly kind: 'key';
      readonly path: string;
      readonly label: string;
      readonly depth: number;
      readonly modRevision: number;
    }
  /** What is not read yet: the level `prefix`, from `from` on. */
  | {
      readonly kind: 'unread';
      readonly path: string;
      readonly depth: number;
      readonly prefix: string;
      readonly from: string | undefined;
    };

/** Entries of one page that stand below each other on the screen, or one row that is no entry. */
type Stretch = { readonly start: number; readonly count: number; readonly depth: number } & (
  { readonly page: Page; readonly offset: number; readonly prefix: string } | { readonly unread: TreeRow }
);

/**
 * The store's keys as a tree, of which only the levels that were opened are known. A level is read page by page and then kept up
 * to date by the stream of changes; a page heeds only changes after the revision it was read at:
 *
 *     /registry/              page 1 @90  pods/ (812)  secrets/ (4)  …
 *       /registry/pods/       page 1 @90  default/ (800)  kube-system/ (12)
 *         …/pods/default/     page 1 @90  web-0 … web-499      page 2 @97  web-500 …
 *
 *     put /registry/pods/default/web-800 @95 (new)   pods/ 813, default/ 801; page 2 had it already
 */
export class StoreTree {
  readonly #levels = new Map<string, Level>();

  has(prefix: string): boolean {
    return this.#levels.has(prefix);
  }

  get prefixes(): readonly string[] {
    return [...this.#levels.keys()];
  }

  /** Adds a page that was read; `since` are the changes after its revision, oldest first. A page that is there already is not added twice. */
  add(prefix: string, from: string | undefined, read: StoreLevel, since: readonly StoreChange[]): void {
    const known = from === undefined ? undefined : this.#levels.get(prefix);
    if (from !== undefined && known?.pages.at(-1)?.end !== from) return;
    const page: Page = { revision: read.revision, end: read.next, entries: [...read.entries] };
    const level = known ?? { prefix, pages: [] };
    level.pages.push(page);
    this.#levels.set(prefix, level);
    for (const change of since)
      if (change.key.startsWith(prefix) && this.#pageOf(level, childOf(prefix, change.key)) === page)
        applyTo(page, prefix, change);
  }

  apply(change: StoreChange): void {
    for (const prefix of prefixesOf(change.key)) {
      const level = this.#levels.get(prefix);
      const page = level && this.#pageOf(level, childOf(prefix, change.key));
      if (page) applyTo(page, prefix, change);
    }
  }

  /** Forgets the level and those below it. */
  close(prefix: string): void {
    for (const one of [...this.#levels.keys()]) if (one.startsWith(prefix)) this.#levels.delete(one);
  }

  clear(): void {
    this.#levels.clear();
  }

  find(path: string): Entry | undefined {
    const level = this.#levels.get(parentOf(path));
    const page = level && this.#pageOf(level, path);
    const found = page && page.entries[search(page.entries, path)];
    return found && nameOf(found) === path ? found : undefined;
  }

  /** What is on the screen when the branches in `open` are open. Costs what is open, not what it holds. */
  rows(open: ReadonlySet<string>): TreeRows {
    const children = new Map<string, string[]>();
    for (const prefix of [...open].sort()) {
      const siblings = children.get(parentOf(prefix));
      if (siblings) siblings.push(prefix);
      else children.set(parentOf(prefix), [prefix]);
    }
    const stretches: Stretch[] = [];
    this.#walk('', 0, children, stretches);
    return new TreeRows(stretches, open);
  }

  #walk(prefix: string, depth: number, open: ReadonlyMap<string, readonly string[]>, into: Stretch[]): void {
    const level = this.#levels.get(prefix);
    const last = level?.pages.at(-1);
    for (const page of level?.pages ?? []) {
      let offset = 0;
      for (const child of open.get(prefix) ?? []) {
        const at = search(page.entries, child);
        const entry = page.entries[at];
        if (!entry || nameOf(entry) !== child) continue;
        push(into, { count: at + 1 - offset, depth, page, offset, prefix });
        offset = at + 1;
        this.#walk(child, depth + 1, open, into);
      }
      push(into, { count: page.entries.length - offset, depth, page, offset, prefix });
    }
    if (level && last?.end === undefined) return;
    const unread: TreeRow = { kind: 'unread', path: `${prefix} ${last?.end ?? ''}`, depth, prefix, from: last?.end };
    push(into, { count: 1, depth, unread });
  }

  /** The page in whose span `name` lies; undefined when that is not read yet. */
  #pageOf(level: Level, name: string): Page | undefined {
    return level.pages.find((page) => page.end === undefined || name < page.end);
  }
}

/** The rows of a tree by number, made when asked for. */
export class TreeRows {
  readonly length: number;
  readonly #stretches: readonly Stretch[];
  readonly #open: ReadonlySet<string>;

  constructor(stretches: readonly Stretch[], open: ReadonlySet<string>) {
    const last = stretches[stretches.length - 1];
    this.#stretches = stretches;
    this.#open = open;
    this.length = last ? last.start + last.count : 0;
  }

  at(index: number): TreeRow | undefined {
    let [low, high] = [0, this.#stretches.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#stretches[middle]?.start ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    const stretch = this.#stretches[low];
    if (!stretch || index < stretch.start || index >= stretch.start + stretch.count) return undefined;
    if ('unread' in stretch) return stretch.unread;
    const entry = stretch.page.entries[stretch.offset + index - stretch.start];
    return entry && this.#row(entry, stretch.prefix, stretch.depth);
  }

  /** Where the row of a key or branch is; -1 when it is not on the screen. */
  indexOf(path: string): number {
    const parent = parentOf(path);
    for (const stretch of this.#stretches) {
      if ('unread' in stretch || stretch.prefix !== parent) continue;
      const at = search(stretch.page.entries, path) - stretch.offset;
      const entry = stretch.page.entries[at + stretch.offset];
      if (at >= 0 && at < stretch.count && entry && nameOf(entry) === path) return stretch.start + at;
    }
    return -1;
  }

  #row(entry: Entry, prefix: string, depth: number): TreeRow {
    if ('key' in entry) {
      const label = entry.key.slice(prefix.length) || entry.key;
      return { kind: 'key', path: entry.key, label, depth, modRevision: entry.modRevision };
    }
    const { prefix: path, keys } = entry;
    const label = path.slice(prefix.length, -1).replace(/^\//, '') || '/';
    return { kind: 'branch', path, label, depth, keys, open: this.#open.has(path) };
  }
}

function push(into: Stretch[], stretch: DistributiveOmit<Stretch, 'start'>): void {
  const last = into[into.length - 1];
  if (stretch.count > 0) into.push({ ...stretch, start: last ? last.start + last.count : 0 });
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

function applyTo(page: Page, prefix: string, change: StoreChange): void {
  if (change.revision <= page.revision) return;
  const { entries } = page;
  const name = childOf(prefix, change.key);
  const at = search(entries, name);
  const entry = entries[at];
  const known = entry !== undefined && nameOf(entry) === name ? entry : undefined;
  const isKey = name === change.key;
  if (isKey) {
    const written: Entry = { key: name, modRevision: change.revision };
    if (change.type === 'PUT') entries.splice(at, known ? 1 : 0, written);
    else if (known) entries.splice(at, 1);
    return;
  }
  const difference = change.type === 'DELETE' ? -1 : change.created ? 1 : 0;
  if (difference === 0) return;
  const keys = (known && 'keys' in known ? known.keys : 0) + difference;
  if (keys <= 0) entries.splice(at, known ? 1 : 0);
  else entries.splice(at, known ? 1 : 0, { prefix: name, keys });
}

function nameOf(entry: Entry): string {
  return 'key' in entry ? entry.key : entry.prefix;
}

/** Place of the first entry that is not before `name`. */
function search(entries: readonly Entry[], name: string): number {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = entries[middle];
    if (entry && nameOf(entry) < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What stands for `key` on the level `prefix`: a branch, or the key itself. */
function childOf(prefix: string, key: string): string {
  const slash = key.indexOf('/', prefix.length + 1);
  return slash < 0 ? key : key.slice(0, slash + 1);
}

/** The level on which a key or branch stands. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/', path.endsWith('/') ? path.length - 2 : path.length - 1);
  return slash <= 0 ? '' : path.slice(0, slash + 1);
}

/** Every prefix that holds `key`, from the root: what must be open for it to be seen. */
export function prefixesOf(key: string): readonly string[] {
  const found = [''];
  for (let slash = key.indexOf('/', 1); slash >= 0 && slash < key.length - 1; slash = key.indexOf('/', slash + 2))
    found.push(key.slice(0, slash + 1));
  return found;
}
