import { revision, type KeyValue } from '../client.ts';
import { fromByteString, type ByteString } from '../byte-string.ts';
import type { Backend } from '../backend/backend.ts';
import { mainOf, type ChangeId } from './key-index.ts';

/**
 * Key-values by change id: those not yet on disk, the most recently used ones within a budget of bytes, and the rest from
 * the data file. A key-value is made once and shared by everyone who asks for it while it is remembered.
 */
export class ValueStore {
  readonly #backend: Backend;
  readonly #budgetBytes: number;
  readonly #pending = new Map<ChangeId, KeyValue>();
  /** In order of arrival; the oldest goes first. */
  readonly #recent = new Map<ChangeId, KeyValue>();
  #recentBytes = 0;

  constructor(backend: Backend, budgetBytes: number) {
    this.#backend = backend;
    this.#budgetBytes = budgetBytes;
  }

  /** Undefined when the change was compacted. Throws EtcdError CORRUPT when it is damaged on disk. */
  get(key: ByteString, id: ChangeId): KeyValue | undefined {
    const known = this.#recent.get(id) ?? this.#pending.get(id);
    if (known) return known;
    const stored = this.#backend.readValue(key, id);
    if (!stored) return undefined;
    const { createRevision, version, lease } = stored.header;
    const kv: KeyValue = {
      key: fromByteString(key),
      value: stored.value,
      createRevision: revision(createRevision),
      modRevision: revision(mainOf(id)),
      version,
      lease,
    };
    this.#remember(id, kv);
    return kv;
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
    const kv = this.#recent.get(id);
    if (!kv) return;
    this.#recent.delete(id);
    this.#recentBytes -= sizeOf(kv);
  }

  #remember(id: ChangeId, kv: KeyValue): void {
    this.#recent.set(id, kv);
    this.#recentBytes += sizeOf(kv);
    while (this.#recentBytes > this.#budgetBytes) {
      const oldest = this.#recent.keys().next();
      if (oldest.done) return;
      this.forget(oldest.value);
    }
  }
}

/** With the objects around the bytes. */
function sizeOf(kv: KeyValue): number {
  return kv.value.length + kv.key.length + 200;
}
