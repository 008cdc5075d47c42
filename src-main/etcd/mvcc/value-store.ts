import { revision, type KeyValue } from '../client.ts';
import { fromByteString, type ByteString } from '../byte-string.ts';
import type { Backend } from '../backend/backend.ts';
import { mainOf, type ChangeId } from './key-index.ts';

/**
 * Key-values by change id: those not yet on disk, recent ones within a budget of bytes, and the rest from the data file. A
 * key-value is made once and shared by everyone who asks for it while it is remembered.
 *
 * Recent ones are kept in two generations. When the young one has half of the budget it becomes the old one, and the old one
 * goes as a whole; what is asked for in the old one is young again. (One Map whose oldest entry is deleted for each new one
 * spends its time walking over the deleted ones.)
 */
export class ValueStore {
  readonly #backend: Backend;
  readonly #generationBytes: number;
  readonly #pending = new Map<ChangeId, KeyValue>();
  #young = new Map<ChangeId, KeyValue>();
  #old = new Map<ChangeId, KeyValue>();
  #youngBytes = 0;

  constructor(backend: Backend, budgetBytes: number) {
    this.#backend = backend;
    this.#generationBytes = budgetBytes / 2;
  }

  /** Undefined when the change was compacted. Throws EtcdError CORRUPT when it is damaged on disk. */
  get(key: ByteString, id: ChangeId): KeyValue | undefined {
    const known = this.#young.get(id) ?? this.#pending.get(id);
    if (known) return known;
    const kv = this.#old.get(id) ?? this.#read(key, id);
    if (kv) this.#remember(id, kv);
    return kv;
  }

  /** As {@link get}, for a reader of so many that they would drive everything else out of memory. */
  getOnce(key: ByteString, id: ChangeId): KeyValue | undefined {
    return this.#young.get(id) ?? this.#old.get(id) ?? this.#pending.get(id) ?? this.#read(key, id);
  }

  addPending(id: ChangeId, kv: KeyValue): void {
    this.#pending.set(id, kv);
  }

  /** The change is on disk now. */
  settle(id: ChangeId): void {
    const kv = this.#pending.get(id);
    this.#pending.delete(id);
    if (kv) this.#remember(id, kv);
  }

  /** The change was taken back or compacted. */
  forget(id: ChangeId): void {
    this.#pending.delete(id);
    this.#young.delete(id);
    this.#old.delete(id);
  }

  #read(key: ByteString, id: ChangeId): KeyValue | undefined {
    const stored = this.#backend.readValue(key, id);
    if (!stored) return undefined;
    const { createRevision, version, lease } = stored.header;
    return {
      key: fromByteString(key),
      value: stored.value,
      createRevision: revision(createRevision),
      modRevision: revision(mainOf(id)),
      version,
      lease,
    };
  }

  #remember(id: ChangeId, kv: KeyValue): void {
    this.#young.set(id, kv);
    this.#youngBytes += sizeOf(kv);
    if (this.#youngBytes <= this.#generationBytes) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}

/** With the objects around the bytes. */
function sizeOf(kv: KeyValue): number {
  return kv.value.length + kv.key.length + 200;
}
