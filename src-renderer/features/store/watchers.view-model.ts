import type { ApiWatch, StoreWatcher, StoreWatchers } from '#contract/store';

/** One who watches, as a row shows it. */
export interface WatcherRow {
  readonly id: string;
  readonly name: string;
  /** What it watches. */
  readonly what: string;
  readonly sinceMs: number;
  readonly events: number;
  /** Since the answer before; undefined for the first. */
  readonly perSecond: number | undefined;
  /** Revisions of the store, or events of the API server, that it was not handed yet. */
  readonly behind: number;
}

export function storeWatcherRows(now: StoreWatchers, before: StoreWatchers | undefined): readonly WatcherRow[] {
  const known = byId(before?.watchers);
  return (now.watchers ?? []).map((watcher) => ({
    id: watcher.id,
    name: watcher.name || 'did not say its name',
    what: spanOf(watcher),
    sinceMs: watcher.sinceMs,
    events: watcher.events,
    perSecond: rate(watcher, known.get(watcher.id), now, before),
    behind: watcher.lagRevisions,
  }));
}

export function apiWatchRows(now: StoreWatchers, before: StoreWatchers | undefined): readonly WatcherRow[] {
  const known = byId(before?.apiWatches);
  return now.apiWatches.map((watch) => ({
    id: watch.id,
    name: [watch.userAgent.split(' ')[0] ?? '', watch.user].filter(Boolean).join(' · ') || 'did not say its name',
    what: watch.namespace === '' ? watch.resource : `${watch.resource} in ${watch.namespace}`,
    sinceMs: watch.sinceMs,
    events: watch.events,
    perSecond: rate(watch, known.get(watch.id), now, before),
    behind: watch.queued,
  }));
}

/** The busiest first, then by name. */
export function busiestFirst(rows: readonly WatcherRow[]): readonly WatcherRow[] {
  return [...rows].sort(
    (a, b) =>
      b.behind - a.behind ||
      (b.perSecond ?? 0) - (a.perSecond ?? 0) ||
      b.events - a.events ||
      (a.name < b.name ? -1 : 1),
  );
}

function byId<T extends { readonly id: string }>(all: readonly T[] | undefined): ReadonlyMap<string, T> {
  return new Map((all ?? []).map((one) => [one.id, one]));
}

function rate(
  one: Pick<ApiWatch, 'events'>,
  known: Pick<ApiWatch, 'events'> | undefined,
  now: StoreWatchers,
  before: StoreWatchers | undefined,
): number | undefined {
  if (!known || !before || now.nowMs <= before.nowMs) return undefined;
  return Math.max(0, one.events - known.events) / ((now.nowMs - before.nowMs) / 1000);
}

/** `/registry/pods/…` for a prefix, `a up to b` for another range. */
function spanOf({ key, rangeEnd }: StoreWatcher): string {
  if (rangeEnd === undefined || rangeEnd === '') return key;
  if (rangeEnd === '\0') return key === '\0' || key === '' ? 'every key' : `${key} and after`;
  const isPrefix = key.slice(0, -1) === rangeEnd.slice(0, -1) && key.length === rangeEnd.length;
  return isPrefix ? `${key}…` : `${key} up to ${rangeEnd}`;
}
