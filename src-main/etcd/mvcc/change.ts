import type { KeyValue, StoreEvent } from '../client.ts';
import type { ChangeHeader } from '../backend/codec.ts';
import type { PreviousState } from './key-index.ts';

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

/** The event of a change. `previous`: what a read at the revision before it finds; not told of a put that created its key. */
export function eventOf({ header, kv }: Change, previous: KeyValue | undefined): StoreEvent {
  const type = header.id > 0 ? 'PUT' : 'DELETE';
  const created = type === 'PUT' && kv.createRevision === kv.modRevision;
  return previous && !created ? { type, kv, prevKv: previous } : { type, kv };
}
