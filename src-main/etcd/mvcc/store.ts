import {
  EtcdError,
  noLease,
  revision,
  type KeyValue,
  type LeaseId,
  type RangeRequest,
  type RangeResponse,
} from '../client.ts';
import { fromByteString, type ByteString } from '../byte-string.ts';
import type { Backend } from '../backend/backend.ts';
import type { WriteBatch } from '../backend/write-batch.ts';
import { encodeChanges, encodeValue, valueOf } from '../backend/codec.ts';
import { Pacer } from '#base/pacer';
import type { Change, Commit } from './change.ts';
import type { KeyIndex } from './key-index.ts';
import { changeId, mainOf, newestAt, putAt, type ChangeId, type KeyEntry, type PreviousState } from './key-index.ts';
import { keyRange, type KeyRange } from './key-range.ts';
import { isShaped, readLimit, readsValues, shape } from './range-shape.ts';
import { ValueStore } from './value-store.ts';

/** Who must know which key hangs on which lease. */
export interface LeaseKeys {
  has(lease: LeaseId): boolean;
  move(key: ByteString, from: LeaseId, to: LeaseId): void;
}

const emptyValue = new Uint8Array(0);
/** A range of more keys than this is no reason to remember them. */
const longRange = 512;
const neverCompacted = -1;

/**
 * The multi-version state in memory and how a change alters it. Two revisions move through it: `tentative`, of the last
 * transaction carried out in memory, and `durable`, of the last one on disk. Transactions build on the tentative state;
 * readers and watchers are shown the durable one, so nobody sees what a crash could take back.
 */
export class MvccStore {
  readonly index: KeyIndex;
  readonly values: ValueStore;
  readonly #backend: Backend;
  readonly #leases: LeaseKeys;
  #durable: number;
  #tentative: number;
  #compacted: number;

  /** `index` holds what is on disk, up to the revision `last`. */
  constructor(backend: Backend, leases: LeaseKeys, cacheBytes: number, index: KeyIndex, last: number) {
    this.#backend = backend;
    this.#leases = leases;
    this.values = new ValueStore(backend, cacheBytes);
    this.index = index;
    this.#compacted = Number(backend.tables.meta.get('compacted') ?? neverCompacted);
    this.#durable = Math.max(1, last, this.#compacted);
    this.#tentative = this.#durable;
    for (const { key, lease } of index.range('', undefined)) if (lease !== noLease) leases.move(key, noLease, lease);
  }

  get durableRevision(): number {
    return this.#durable;
  }
  get tentativeRevision(): number {
    return this.#tentative;
  }
  /** Reads below this revision fail. -1 when nothing was ever compacted, so that etcd allows to compact 0, once. */
  get compactedRevision(): number {
    return this.#compacted;
  }
  set compactedRevision(value: number) {
    this.#compacted = value;
  }

  /** Carries out a put in memory, as change number `sub` of revision `main`. */
  put(key: ByteString, value: Uint8Array, lease: LeaseId, main: number, sub: number): Change {
    const before = stateOf(this.index.get(key));
    const id = changeId(main, sub);
    const entry = this.index.put(key, id, lease);
    if (before?.lease !== lease) this.#leases.move(key, before?.lease ?? noLease, lease);
    const header = { key, id, createRevision: entry.createRevision, version: entry.version, lease };
    const record = encodeValue(header, value);
    const kv: KeyValue = {
      key: fromByteString(key),
      value: valueOf(record),
      createRevision: revision(entry.createRevision),
      modRevision: revision(main),
      version: entry.version,
      lease,
    };
    this.values.addPending(id, kv);
    return { header, kv, record, before };
  }

  /** Carries out a deletion in memory. The entry must be live. */
  delete(entry: KeyEntry, main: number, sub: number): Change {
    const before = stateOf(entry);
    const id = changeId(main, sub);
    if (entry.lease !== noLease) this.#leases.move(entry.key, entry.lease, noLease);
    this.index.delete(entry, id);
    const header = { key: entry.key, id: -id, createRevision: 0, version: 0, lease: noLease };
    return { header, kv: tombstone(entry.key, main), record: undefined, before };
  }

  /** Takes a change back; newest first. */
  undo(change: Change): void {
    const { header, before } = change;
    this.index.undo(header.key, before);
    if (header.id > 0) this.values.forget(header.id);
    if ((before?.lease ?? noLease) !== header.lease)
      this.#leases.move(header.key, header.lease, before?.lease ?? noLease);
  }

  /** The changes of `main` were all made in memory; nothing of it is on disk. */
  advance(main: number): void {
    this.#tentative = main;
  }

  write(batch: WriteBatch, commit: Commit): void {
    for (const { header, record } of commit.changes) if (record) batch.put('values', header.id, record);
    const headers = commit.changes.map((change) => change.header);
    batch.put('changes', commit.revision, encodeChanges(commit.revision, headers));
    if (commit.record !== undefined) batch.put('records', commit.revision, commit.record);
  }

  undoCommit(commit: Commit): void {
    for (let i = commit.changes.length - 1; i >= 0; i--) {
      const change = commit.changes[i];
      if (change) this.undo(change);
    }
    this.#tentative = commit.revision - 1;
  }

  settle(commit: Commit): void {
    for (const { header } of commit.changes) if (header.id > 0) this.values.settle(header.id);
    this.#durable = commit.revision;
  }

  /**
   * Throws EtcdError FUTURE_REVISION or COMPACTED when `wanted` cannot be read at `current`. A negative revision means the
   * current one in a plain range, and is compacted, below -1, in a transaction: etcd looks at it in two places.
   */
  checkReadable(wanted: number | undefined, current: number): void {
    if (!wanted) return;
    if (wanted > current) {
      throw new EtcdError('FUTURE_REVISION', 'etcdserver: mvcc: required revision is a future revision');
    }
    if (wanted < this.#compacted) throw compactedError();
  }

  /** Names of the puts a range finds at `at`, and how many keys there are in all. */
  find(request: RangeRequest, at: number): { found: { key: ByteString; id: ChangeId }[]; count: number } {
    const limit = readLimit(request);
    const found: { key: ByteString; id: ChangeId }[] = [];
    let count = 0;
    this.#forEach(keyRange(request), (entry) => {
      const id = putAt(entry, at);
      if (id === undefined) return;
      if (count < limit) found.push({ key: entry.key, id });
      count++;
    });
    return { found, count };
  }

  /** Reads a range at once, without giving way: for transactions. */
  rangeNow(request: RangeRequest, at: number): RangeResponse {
    const { found, count } = this.find(request, at);
    const kvs = found.map(({ key, id }) => this.#read(key, id, !readsValues(request)));
    return { revision: revision(at), count, ...this.#finish(request, kvs, count) };
  }

  /** Reads a range as it was when asked, giving the event loop turns between values. */
  async range(request: RangeRequest): Promise<RangeResponse> {
    for (;;) {
      try {
        return await this.#rangeOnce(request);
      } catch (error) {
        // A compaction overtook the reader. Whoever asked for no revision does not care which one it reads.
        const isOvertaken = error instanceof EtcdError && error.code === 'COMPACTED' && (request.revision ?? 0) <= 0;
        if (!isOvertaken) throw error;
      }
    }
  }

  async #rangeOnce(request: RangeRequest): Promise<RangeResponse> {
    if (request.revision && request.revision > 0) this.checkReadable(request.revision, this.#durable);
    const at = request.revision && request.revision > 0 ? request.revision : this.#durable;
    const current = this.#durable;
    const { found, count } = this.find(request, at);
    const kvs: KeyValue[] = [];
    const pacer = new Pacer();
    const keysOnly = !readsValues(request);
    const isLong = found.length > longRange;
    for (const { key, id } of found) {
      kvs.push(this.#read(key, id, keysOnly, isLong));
      if (kvs.length % 64 === 0 && pacer.due) await pacer.pace();
    }
    return { revision: revision(current), count, ...this.#finish(request, kvs, count) };
  }

  #finish(request: RangeRequest, kvs: readonly KeyValue[], count: number): Pick<RangeResponse, 'kvs' | 'more'> {
    if (!isShaped(request)) return { kvs, more: !request.countOnly && count > kvs.length };
    const shaped = shape(request, kvs);
    return request.keysOnly ? { ...shaped, kvs: shaped.kvs.map((kv) => ({ ...kv, value: emptyValue })) } : shaped;
  }

  /** The live entries of a range, newest state. Collected first, so that they can be deleted meanwhile. */
  live(range: KeyRange): KeyEntry[] {
    const entries: KeyEntry[] = [];
    this.#forEach(range, (entry) => {
      if (entry.version > 0) entries.push(entry);
    });
    return entries;
  }

  /** The newest key-value of an entry; undefined when it is deleted. */
  newest(entry: KeyEntry | undefined): KeyValue | undefined {
    const id = entry?.ids[entry.ids.length - 1];
    return entry && id !== undefined && id > 0 ? this.#read(entry.key, id, false) : undefined;
  }

  /** What a read at the revision before a change finds of its key; undefined also when that was compacted. */
  previous({ header, before }: Change): KeyValue | undefined {
    const main = mainOf(header.id);
    if (main - 1 < this.#compacted) return undefined;
    const entry = this.index.get(header.key);
    // A key may change twice in a revision: then, `before` is of this one.
    const isBefore = before !== undefined && mainOf(before.id) < main;
    const id = isBefore ? before.id : entry && newestAt(entry, main - 1);
    return id !== undefined && id > 0 ? this.values.get(header.key, id) : undefined;
  }

  /** The key-value that a change on disk made; for a deletion, its tombstone. Throws EtcdError COMPACTED. */
  read(key: ByteString, id: ChangeId): KeyValue {
    return id > 0 ? this.#read(key, id, false, true) : tombstone(key, mainOf(id));
  }

  /** Whether any key exists at the revision `at`. */
  hasKeysAt(at: number): boolean {
    if (at >= this.#tentative) return this.index.live > 0;
    for (const entry of this.index.range('', undefined)) if (putAt(entry, at) !== undefined) return true;
    return false;
  }

  /** Changes of the revisions `from` (not compacted) to `to` from disk, at most `limit` revisions of them. */
  history(from: number, to: number, limit: number): Commit[] {
    const commits: Commit[] = [];
    for (const { main, changes: headers } of this.#backend.readChanges(from, to + 1, limit)) {
      const changes = headers.map((header): Change => {
        const kv = header.id > 0 ? this.#read(header.key, header.id, false) : tombstone(header.key, main);
        const entry = this.index.get(header.key);
        const previousId = entry && newestAt(entry, main - 1);
        const before =
          previousId === undefined ? undefined : { id: previousId, createRevision: 0, version: 0, lease: noLease };
        return { header, kv, record: undefined, before };
      });
      commits.push({ revision: main, changes, record: undefined });
    }
    return commits;
  }

  #forEach(range: KeyRange, visit: (entry: KeyEntry) => void): void {
    if (!range.single) {
      this.index.forEach(range.start, range.end, visit);
      return;
    }
    const entry = this.index.get(range.start);
    if (entry) visit(entry);
  }

  #read(key: ByteString, id: ChangeId, keysOnly: boolean, once = false): KeyValue {
    const kv = once ? this.values.getOnce(key, id) : this.values.get(key, id);
    if (!kv) {
      // Only a compaction that overtook this reader takes a found change away.
      if (mainOf(id) <= this.#compacted) throw compactedError();
      throw this.#backend.corrupt(`the value written at revision ${mainOf(id)} is missing`);
    }
    return keysOnly ? { ...kv, value: emptyValue } : kv;
  }
}

function stateOf(entry: KeyEntry | undefined): PreviousState | undefined {
  const id = entry?.ids[entry.ids.length - 1];
  if (!entry || id === undefined) return undefined;
  return { id, createRevision: entry.createRevision, version: entry.version, lease: entry.lease };
}

function tombstone(key: ByteString, main: number): KeyValue {
  return {
    key: fromByteString(key),
    value: emptyValue,
    createRevision: revision(0),
    modRevision: revision(main),
    version: 0,
    lease: noLease,
  };
}

export function compactedError(): EtcdError {
  return new EtcdError('COMPACTED', 'etcdserver: mvcc: required revision has been compacted');
}
