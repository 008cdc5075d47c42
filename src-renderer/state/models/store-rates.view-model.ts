import type { StoreChange } from '#contract/store';

/** Width of a column of the heat map, and how many there are: two minutes. */
export const columnMs = 2000;
export const columns = 60;
/** Prefixes that are kept apart; what is quiet for the whole map is forgotten first. */
const maxPrefixes = 3000;

export interface HeatRow {
  readonly prefix: string;
  /** Oldest first. */
  readonly counts: readonly number[];
  readonly total: number;
}

/** Counts of one prefix by column of time; a column is cleared when its place is used again. */
class Columns {
  readonly #counts = new Uint32Array(columns);
  #newest = 0;

  add(column: number): void {
    this.#roll(column);
    const at = column % columns;
    if (column > this.#newest - columns) this.#counts[at] = (this.#counts[at] ?? 0) + 1;
  }

  /** The columns up to `now`, oldest first. */
  read(now: number): number[] {
    this.#roll(now);
    return Array.from({ length: columns }, (_one, index) => this.#counts[(now + 1 + index) % columns] ?? 0);
  }

  #roll(column: number): void {
    if (column <= this.#newest) return;
    if (column - this.#newest >= columns) this.#counts.fill(0);
    else for (let at = this.#newest + 1; at <= column; at++) this.#counts[at % columns] = 0;
    this.#newest = column;
  }
}

/** How much is written where, exactly: every change counts, whatever of it is shown. Times are the page's, in milliseconds. */
export class StoreRates {
  readonly #all = new Columns();
  readonly #prefixes = new Map<string, Columns>();
  #puts = 0;
  #deletes = 0;
  #recent: { readonly second: number; puts: number; deletes: number }[] = [];

  get puts(): number {
    return this.#puts;
  }
  get deletes(): number {
    return this.#deletes;
  }

  add(changes: readonly StoreChange[], nowMs: number): void {
    const column = Math.floor(nowMs / columnMs);
    const second = this.#secondOf(nowMs);
    for (const { key, type } of changes) {
      if (type === 'PUT') second.puts++;
      else second.deletes++;
      this.#all.add(column);
      for (const prefix of heatPrefixes(key)) this.#of(prefix).add(column);
    }
    this.#puts += changes.filter((change) => change.type === 'PUT').length;
    this.#deletes += changes.filter((change) => change.type === 'DELETE').length;
    if (this.#prefixes.size > maxPrefixes) this.#forgetQuiet(column);
  }

  /** Over the last ten whole seconds: the one that goes on would make it too low. */
  perSecond(nowMs: number): { readonly puts: number; readonly deletes: number } {
    const now = Math.floor(nowMs / 1000);
    const seen = this.#recent.filter((one) => one.second < now && one.second >= now - 10);
    const sum = (of: 'puts' | 'deletes'): number => seen.reduce((total, one) => total + one[of], 0) / 10;
    return { puts: sum('puts'), deletes: sum('deletes') };
  }

  /** The busiest first. `depth` 2: `/registry/pods/`; 3: `/registry/pods/default/`. */
  heat(nowMs: number, depth: 2 | 3, limit: number): readonly HeatRow[] {
    const now = Math.floor(nowMs / columnMs);
    return [...this.#prefixes]
      .filter(([prefix]) => depthOf(prefix) === depth)
      .map(([prefix, of]) => row(prefix, of.read(now)))
      .filter((one) => one.total > 0)
      .sort((a, b) => b.total - a.total || (a.prefix < b.prefix ? -1 : 1))
      .slice(0, limit);
  }

  all(nowMs: number): HeatRow {
    return row('', this.#all.read(Math.floor(nowMs / columnMs)));
  }

  #secondOf(nowMs: number): { puts: number; deletes: number } {
    const second = Math.floor(nowMs / 1000);
    const last = this.#recent[this.#recent.length - 1];
    if (last?.second === second) return last;
    const fresh = { second, puts: 0, deletes: 0 };
    this.#recent = [...this.#recent.slice(-14), fresh];
    return fresh;
  }

  #of(prefix: string): Columns {
    let found = this.#prefixes.get(prefix);
    if (!found) this.#prefixes.set(prefix, (found = new Columns()));
    return found;
  }

  #forgetQuiet(column: number): void {
    for (const [prefix, of] of this.#prefixes)
      if (of.read(column).every((one) => one === 0)) this.#prefixes.delete(prefix);
  }
}

function row(prefix: string, counts: readonly number[]): HeatRow {
  return { prefix, counts, total: counts.reduce((sum, one) => sum + one, 0) };
}

/** `/registry/pods/` and `/registry/pods/default/` of `/registry/pods/default/web-0`; a short key stands for itself. */
export function heatPrefixes(key: string): readonly string[] {
  const second = key.indexOf('/', key.indexOf('/', 1) + 1);
  if (key.indexOf('/', 1) < 0 || second < 0) return [key];
  const third = key.indexOf('/', second + 1);
  return third < 0 ? [key.slice(0, second + 1)] : [key.slice(0, second + 1), key.slice(0, third + 1)];
}

function depthOf(prefix: string): 2 | 3 {
  return (prefix.match(/\//g)?.length ?? 0) > 3 ? 3 : 2;
}
