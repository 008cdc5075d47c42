import { Pacer } from '#base/pacer';
import { EtcdError, noLease, revision, type KeyValue } from '../client.ts';
import type { Backend } from '../backend/backend.ts';
import { encodeKey } from '../byte-string.ts';
import type { HashKv } from '../maintenance.ts';
import { crc32c } from './crc32c.ts';
import { mainOf, newestAt, putAt, subOf, type ChangeId } from './key-index.ts';
import type { MvccStore } from './store.ts';

/** The name of etcd's bucket of key-values, with which its checksum begins. */
const bucket = Buffer.from('key');
/** Revisions read in one go. */
const chunk = 256;

/**
 * etcd's checksum of a history (`server/storage/mvcc/hash.go`, 3.6): the same history gives the same number there. It
 * covers every revision up to `at`, as etcd keeps it on disk: the revision's name and the key-value as a message. Of what a
 * compaction may have left or removed, only what a read at `at` finds counts, so that members that compacted at different
 * times agree.
 *
 * Throws EtcdError COMPACTED or FUTURE_REVISION.
 */
export async function hashKv(store: MvccStore, backend: Backend, at = 0): Promise<HashKv> {
  for (;;) {
    const compacted = store.compactedRevision;
    if (at > 0) store.checkReadable(at, store.durableRevision);
    const end = at > 0 ? at : store.durableRevision;
    const isCounted = counter(store, compacted, end);
    try {
      const hash = await hashRevisions(store, backend, end, isCounted);
      return { revision: revision(end), compactRevision: revision(compacted), hash };
    } catch (error) {
      // A compaction overtook it: at a revision that is readable still, it begins anew.
      const isOvertaken =
        error instanceof EtcdError && error.code === 'COMPACTED' && store.compactedRevision > compacted;
      if (!isOvertaken) throw error;
    }
  }
}

/** Checksum of all revisions that are on disk. */
export function hashAll(store: MvccStore, backend: Backend): Promise<number> {
  return hashRevisions(store, backend, store.durableRevision, () => true);
}

type IsCounted = (key: string, id: ChangeId) => boolean;

function counter(store: MvccStore, compacted: number, end: number): IsCounted {
  const hasLiveKeys = store.hasKeysAt(end);
  return (key, id) => {
    const main = mainOf(id);
    if (main > compacted) return true;
    // Releases of etcd differ in whether a compaction leaves the tombstones of its own revision.
    if (id < 0) return false;
    const entry = store.index.get(key);
    if (!entry) return false;
    return hasLiveKeys ? putAt(entry, end) === id : newestAt(entry, compacted) === id;
  };
}

async function hashRevisions(store: MvccStore, backend: Backend, end: number, isCounted: IsCounted): Promise<number> {
  const pacer = new Pacer();
  let hash = crc32c(bucket);
  let from = 0;
  for (;;) {
    const rows = [...backend.readChanges(from, end + 1, chunk)];
    for (const { changes } of rows) {
      for (const { key, id } of changes) {
        if (!isCounted(key, id)) continue;
        const kv = store.read(key, id);
        hash = crc32c(message(kv, id < 0), crc32c(revisionName(id), hash));
      }
    }
    const last = rows[rows.length - 1];
    if (!last) return hash;
    from = last.main + 1;
    await pacer.pace();
  }
}

/** etcd's key on disk: `main_sub`, both as eight bytes, and a `t` for a tombstone. */
function revisionName(id: ChangeId): Buffer {
  const name = Buffer.alloc(id < 0 ? 18 : 17);
  name.writeBigUInt64BE(BigInt(mainOf(id)), 0);
  name.write('_', 8);
  name.writeBigUInt64BE(BigInt(subOf(id)), 9);
  if (id < 0) name.write('t', 17);
  return name;
}

/** `mvccpb.KeyValue` as protobuf; fields that are zero are left out, and a tombstone has its key alone. */
function message(kv: KeyValue, isTombstone: boolean): Buffer {
  const parts = [...field(1, encodeKey(kv.key))];
  if (isTombstone) return Buffer.concat(parts);
  parts.push(number(2, BigInt(kv.createRevision)), number(3, BigInt(kv.modRevision)), number(4, BigInt(kv.version)));
  parts.push(...field(5, kv.value), number(6, kv.lease));
  return Buffer.concat(parts);
}

function field(index: number, bytes: Uint8Array): Uint8Array[] {
  return bytes.length === 0 ? [] : [Buffer.from([(index << 3) | 2, ...varint(BigInt(bytes.length))]), bytes];
}

function number(index: number, value: bigint): Buffer {
  return value === noLease ? Buffer.alloc(0) : Buffer.from([index << 3, ...varint(value)]);
}

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return bytes;
}
