import { noLease, type LeaseId } from '../client.ts';
import { SortedMap } from './sorted-map.ts';

/**
 * Names one change: main revision plus the change's place in its transaction as a fraction of {@link changesPerRevision},
 * so that changes sort as numbers. A deletion (tombstone) carries a minus sign.
 */
export type ChangeId = number;

export const changesPerRevision = 2 ** 20;

export function changeId(main: number, sub: number): ChangeId {
  return main + sub / changesPerRevision;
}
export function subOf(id: ChangeId): number {
  return (Math.abs(id) - mainOf(id)) * changesPerRevision;
}
export function mainOf(id: ChangeId): number {
  return Math.floor(Math.abs(id));
}

/** What is known of a key without reading its value: its newest state and the names of its kept changes. */
export interface KeyEntry {
  readonly key: string;
  /** Oldest first. Never empty while the entry is in the index. */
  readonly ids: ChangeId[];
  createRevision: number;
  /** Puts since creation; 0 when the newest change is a deletion. */
  version: number;
  lease: LeaseId;
}

/** The newest state of a key before a change: what {@link KeyIndex.undo} needs. */
export interface PreviousState {
  readonly id: ChangeId;
  readonly createRevision: number;
  readonly version: number;
  readonly lease: LeaseId;
}

/**
 * Every key with kept history, in key order. After etcd's `server/storage/mvcc/key_index.go` (3.6); one flat list a key
 * stands for its generations, each of which ends with a tombstone:
 *
 *     put a @2    ids [2]            create 2 version 1
 *     put a @5    ids [2,5]          create 2 version 2
 *     delete a @6 ids [2,5,-6]       version 0: gone at 6, still there when read at 5
 *     put a @9    ids [2,5,-6,9]     create 9 version 1, a new generation
 *     compact @5  ids [5,-6,9]       2 was overwritten by 5, which is what a read at 5 finds
 *     compact @7  ids [9]            nothing of the first generation can be read any more
 *
 * A tombstone at exactly the compacted revision is kept, for a watcher that starts there.
 */
export class KeyIndex {
  readonly #entries = new SortedMap<KeyEntry>();
  #live = 0;

  /** Keys that exist at the newest revision. */
  get live(): number {
    return this.#live;
  }

  get(key: string): KeyEntry | undefined {
    return this.#entries.get(key);
  }

  /** Entries of the range, also those whose key is deleted. `end` undefined: to the last one. */
  range(start: string, end: string | undefined): Generator<KeyEntry, void> {
    return this.#entries.range(start, end);
  }

  /** As {@link range}, for those who do not stop halfway. */
  forEach(start: string, end: string | undefined, visit: (entry: KeyEntry) => void): void {
    this.#entries.forEach(start, end, visit);
  }

  put(key: string, id: ChangeId, lease: LeaseId): KeyEntry {
    const entry = this.#append(key, id);
    if (entry.version === 0) {
      entry.createRevision = mainOf(id);
      this.#live++;
    }
    entry.version++;
    entry.lease = lease;
    return entry;
  }

  /** The entry must be live. */
  delete(entry: KeyEntry, id: ChangeId): void {
    entry.ids.push(-id);
    entry.createRevision = 0;
    entry.version = 0;
    entry.lease = noLease;
    this.#live--;
  }

  /** Takes back the newest change of `key`. `before` is undefined when the key had no entry before it. */
  undo(key: string, before: PreviousState | undefined): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#live += (before?.version ? 1 : 0) - (entry.version ? 1 : 0);
    entry.ids.pop();
    if (!before) {
      this.#entries.delete(key);
      return;
    }
    entry.createRevision = before.createRevision;
    entry.version = before.version;
    entry.lease = before.lease;
  }

  /** Puts back a change that was read from disk; changes of a key come oldest first. */
  restore(key: string, id: ChangeId, state: Omit<PreviousState, 'id'>): void {
    const entry = this.#append(key, id);
    this.#live += (state.version ? 1 : 0) - (entry.version ? 1 : 0);
    entry.createRevision = state.createRevision;
    entry.version = state.version;
    entry.lease = state.lease;
  }

  /** Whether a compaction at `revision` keeps the change: it can still be read or watched from there on. */
  keeps(key: string, id: ChangeId, revision: number): boolean {
    const main = mainOf(id);
    if (main >= revision) return true;
    if (id < 0) return false;
    const entry = this.#entries.get(key);
    return entry !== undefined && newestAt(entry, revision) === id;
  }

  /** Drops the changes of `key` that {@link keeps} refuses; the entry goes with its last one. */
  compact(key: string, revision: number): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    let drop = 0;
    for (const id of entry.ids) {
      if (this.keeps(key, id, revision)) break;
      drop++;
    }
    if (drop > 0) entry.ids.splice(0, drop);
    if (entry.ids.length === 0) this.#entries.delete(key);
  }

  #append(key: string, id: ChangeId): KeyEntry {
    const known = this.#entries.get(key);
    if (known) {
      known.ids.push(id);
      return known;
    }
    // Most keys change once: a list made with its one item takes an eighth of one that grew from empty.
    const entry: KeyEntry = { key, ids: [id], createRevision: 0, version: 0, lease: noLease };
    this.#entries.insert(entry);
    return entry;
  }
}

/** The newest change at or before `revision`, tombstones included; undefined when the key is younger. */
export function newestAt(entry: KeyEntry, revision: number): ChangeId | undefined {
  const { ids } = entry;
  const last = ids[ids.length - 1];
  if (last !== undefined && mainOf(last) <= revision) return last;
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (mainOf(ids[middle] ?? 0) <= revision) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? undefined : ids[low - 1];
}

/** The put that a read at `revision` finds; undefined when the key does not exist then. */
export function putAt(entry: KeyEntry, revision: number): ChangeId | undefined {
  const id = newestAt(entry, revision);
  return id !== undefined && id > 0 ? id : undefined;
}
