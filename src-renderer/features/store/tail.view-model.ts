import type { StoreChange } from '#contract/store';

/** A change, or how many were left out between two of them for the eye's sake. */
export type TailRow = { readonly id: string } & (
  { readonly kind: 'change'; readonly change: StoreChange } | { readonly kind: 'skipped'; readonly count: number }
);

/** On a real etcd every write of ours comes with one of this key, which says who made it: the row of the write tells that. */
const recordKey = '/drydock.io/record';
/** Rows added in one go, and rows kept. */
const rowsAtOnce = 6;
const keptRows = 400;

/**
 * The stream for the eye: up to six changes a step are shown as they are; of more, the first of each prefix and the newest, and one
 * line says how many more there were. Newest first.
 */
export class Tail {
  rows: readonly TailRow[] = [];
  #steps = 0;

  /** `all` newest first, since the step before; `count` how many there were, also those not in `all`. */
  take(all: readonly StoreChange[], count: number): void {
    const changes = all.filter((change) => change.key !== recordKey);
    const total = count - (all.length - changes.length);
    if (total <= 0) return;
    const step = this.#steps++;
    const shown = total <= rowsAtOnce ? changes : sampled(changes);
    const rows = shown.map((change, index): TailRow => ({ id: `${step}-${index}`, kind: 'change', change }));
    const skipped = total - shown.length;
    const gap: readonly TailRow[] = skipped > 0 ? [{ id: `${step}`, kind: 'skipped', count: skipped }] : [];
    this.rows = [...rows, ...gap, ...this.rows].slice(0, keptRows);
  }

  clear(): void {
    this.rows = [];
  }
}

/** The newest of each prefix first, then whatever is newest, in the order they were made. */
function sampled(changes: readonly StoreChange[]): readonly StoreChange[] {
  const chosen = new Set<StoreChange>();
  const seen = new Set<string>();
  for (const change of changes) {
    const prefix = change.key.slice(0, change.key.lastIndexOf('/'));
    if (chosen.size < rowsAtOnce && !seen.has(prefix)) chosen.add(change);
    seen.add(prefix);
  }
  for (const change of changes) if (chosen.size < rowsAtOnce) chosen.add(change);
  return changes.filter((change) => chosen.has(change));
}
