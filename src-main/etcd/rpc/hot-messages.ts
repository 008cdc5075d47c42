import { noLease, type KeyValue, type RangeResponse, type StoreEvent } from '../client.ts';
import type { Identity } from './call.ts';
import { BackwardWriter } from './backward-writer.ts';
import { prefixBytes } from './grpc/framing.ts';

/*
 * The messages that carry key-values, written by hand: through the table of schema.ts a range of 10,000 keys takes several
 * times as long, most of it objects made for the encoder. Field numbers are those of proto/kv.ts and proto/watch-lease.ts.
 */

/** Shared: nothing waits between its first byte and its last. */
const writer = new BackwardWriter();

/** A framed RangeResponse. */
export function encodeRange(identity: Identity, { revision, kvs, more, count }: RangeResponse): Buffer {
  writer.uint(4, count);
  writer.uint(3, more ? 1 : 0);
  for (let i = kvs.length - 1; i >= 0; i--) writeKeyValue(2, kvs[i]);
  writeHeader(identity, revision);
  return writer.finish();
}

/** A framed WatchResponse. `fragment`: more of the same revision follows. */
export function encodeEvents(
  identity: Identity,
  watch: { readonly id: number; readonly revision: number; readonly fragment: boolean },
  events: readonly StoreEvent[],
): Buffer {
  for (let i = events.length - 1; i >= 0; i--) {
    const mark = writer.length;
    const event = events[i];
    writeKeyValue(3, event?.prevKv);
    writeKeyValue(2, event?.kv);
    writer.uint(1, event?.type === 'DELETE' ? 1 : 0);
    writer.close(11, mark);
  }
  writer.uint(7, watch.fragment ? 1 : 0);
  writer.uint(2, watch.id);
  writeHeader(identity, watch.revision);
  return writer.finish();
}

/** A framed PutResponse. */
export function encodePut(identity: Identity, revision: number, prevKv: KeyValue | undefined): Buffer {
  writeKeyValue(2, prevKv);
  writeHeader(identity, revision);
  return writer.finish();
}

function writeKeyValue(field: number, kv: KeyValue | undefined): void {
  if (!kv) return;
  const mark = writer.length;
  if (kv.lease !== noLease) writer.int64(6, kv.lease);
  writer.bytes(5, kv.value);
  writer.uint(4, kv.version);
  writer.uint(3, kv.modRevision);
  writer.uint(2, kv.createRevision);
  writer.key(1, kv.key);
  writer.close(field, mark);
}

function writeHeader(identity: Identity, revision: number): void {
  const mark = writer.length;
  writer.uint(4, identity.raftTerm);
  writer.uint(3, revision);
  writer.encoded(idsOf(identity));
  writer.close(1, mark);
}

const encodedIds = new WeakMap<Identity, Uint8Array>();

/** Fields 1 and 2 of every header of a server: numbers of 64 bits, written once. */
function idsOf(identity: Identity): Uint8Array {
  const known = encodedIds.get(identity);
  if (known) return known;
  const once = new BackwardWriter();
  once.int64(2, BigInt(identity.memberId));
  once.int64(1, BigInt(identity.clusterId));
  const ids = once.finish().subarray(prefixBytes);
  encodedIds.set(identity, ids);
  return ids;
}
