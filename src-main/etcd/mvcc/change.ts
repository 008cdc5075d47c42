import type { KeyValue, StoreEvent } from '../client.ts';
import type { ChangeHeader } from '../backend/codec.ts';
import type { ChangeId, PreviousState } from './key-index.ts';

/** One put or deletion, from its transaction until watchers know of it. */
export interface Change {
  readonly header: ChangeHeader;
  /** For a deletion: the tombstone, with an empty value. */
  readonly kv: KeyValue;
  /** What goes to disk; undefined for a deletion. */
  readonly record: Buffer | undefined;
  /** The key's newest state before; undefined when nothing was known of the key. */
  readonly before: PreviousState | undefined;
}

/** All changes of one main revision. */
export interface Commit {
  readonly revision: number;
  readonly changes: readonly Change[];
  readonly record: string | undefined;
}

/** Reads a key-value that a change replaced; undefined when it was compacted. */
export type ReadPrevious = (key: string, id: ChangeId) => KeyValue | undefined;

/** The event of a change, with the replaced key-value if asked for and still there. */
export function eventOf(change: Change, prevKv: boolean, readPrevious: ReadPrevious): StoreEvent {
  const type = change.header.id > 0 ? 'PUT' : 'DELETE';
  const { before } = change;
  const previous = prevKv && before && before.id > 0 ? readPrevious(change.header.key, before.id) : undefined;
  return previous ? { type, kv: change.kv, prevKv: previous } : { type, kv: change.kv };
}
