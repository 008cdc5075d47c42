import { noLease, type LeaseId } from '../client.ts';
import type { ByteString } from '../byte-string.ts';
import { changeId, mainOf, subOf, type ChangeId } from '../mvcc/key-index.ts';
import { isSealed, seal } from './checksum.ts';

/** What is on disk of one change besides its value. */
export interface ChangeHeader {
  readonly key: ByteString;
  /** Negative for a deletion. */
  readonly id: ChangeId;
  /** 0 for a deletion, as is `version`; its `lease` is none. */
  readonly createRevision: number;
  readonly version: number;
  readonly lease: LeaseId;
}

/*
 * values:  ChangeId -> checksum u32 | createRevision f64 | version u32 | lease f64 | the value
 * changes: main revision -> checksum u32 | main revision f64 | for each change: sub u32 | createRevision f64 | version u32 | lease f64
 *                                                           | key length u32 | key      (version 0: a deletion)
 * Little endian. A lease below 2^53 is a f64; another one its 64 bits, and then createRevision carries a minus sign: the first
 * data files knew small leases only. A value's checksum is seeded with its place and key, so that a record in the wrong place is found too.
 */
const valueHeaderBytes = 24;
const changesHeaderBytes = 12;
const changeHeaderBytes = 28;

function seedOf(key: ByteString, id: ChangeId): number {
  let seed = (mainOf(id) ^ Math.imul(subOf(id) + 1, 0x9e37_79b1)) | 0;
  for (let i = 0; i < key.length; i++) seed = (Math.imul(seed, 31) + key.charCodeAt(i)) | 0;
  return seed;
}

/** The bytes to store for a put. The value inside of it is the range from {@link valueOf}. */
export function encodeValue(header: ChangeHeader, value: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(valueHeaderBytes + value.length);
  writeState(record, 4, header);
  record.set(value, valueHeaderBytes);
  seal(record, seedOf(header.key, header.id));
  return record;
}

/** The value's bytes inside a stored record; not a copy. */
export function valueOf(record: Buffer): Uint8Array {
  return record.subarray(valueHeaderBytes);
}

/** Undefined when the record is not what was written. Overwrites its checksum. */
export function decodeValue(key: ByteString, id: ChangeId, record: Buffer): ChangeHeader | undefined {
  if (record.length < valueHeaderBytes || !isSealed(record, seedOf(key, id))) return undefined;
  return {
    key,
    id,
    ...readState(record, 4),
  };
}

/** All changes of one revision, in order. */
export function encodeChanges(main: number, changes: readonly ChangeHeader[]): Buffer {
  let length = changesHeaderBytes;
  for (const change of changes) length += changeHeaderBytes + change.key.length;
  const record = Buffer.allocUnsafe(length);
  record.writeDoubleLE(main, 4);
  let at = changesHeaderBytes;
  for (const change of changes) {
    record.writeUInt32LE(subOf(change.id), at);
    writeState(record, at + 4, change);
    record.writeUInt32LE(change.key.length, at + 24);
    record.write(change.key, at + changeHeaderBytes, 'latin1');
    at += changeHeaderBytes + change.key.length;
  }
  seal(record, 0);
  return record;
}

/** Undefined when the record is not what was written. Overwrites its checksum. */
export function decodeChanges(record: Buffer): { main: number; changes: ChangeHeader[] } | undefined {
  if (record.length < changesHeaderBytes || !isSealed(record, 0)) return undefined;
  const main = record.readDoubleLE(4);
  const changes: ChangeHeader[] = [];
  for (let at = changesHeaderBytes; at < record.length;) {
    const state = readState(record, at + 4);
    const id = changeId(main, record.readUInt32LE(at));
    const keyStart = at + changeHeaderBytes;
    const keyEnd = keyStart + record.readUInt32LE(at + 24);
    changes.push({
      key: record.toString('latin1', keyStart, keyEnd),
      id: state.version === 0 ? -id : id,
      ...state,
    });
    at = keyEnd;
  }
  return { main, changes };
}

/** The key of a lease in the table `leases`: small ones are numbers, as in the first data files. */
export function leaseKey(id: LeaseId): number | string {
  return isSmall(id) ? Number(id) : String(id);
}

export function leaseOfKey(key: number | string): LeaseId {
  return BigInt(key);
}

type State = Pick<ChangeHeader, 'createRevision' | 'version' | 'lease'>;

function writeState(record: Buffer, at: number, { createRevision, version, lease }: State): void {
  const isPlain = lease === noLease || isSmall(lease);
  record.writeDoubleLE(isPlain ? createRevision : -createRevision, at);
  record.writeUInt32LE(version, at + 8);
  if (isPlain) record.writeDoubleLE(lease === noLease ? 0 : Number(lease), at + 12);
  else record.writeBigInt64LE(lease, at + 12);
}

function readState(record: Buffer, at: number): State {
  const createRevision = record.readDoubleLE(at);
  const version = record.readUInt32LE(at + 8);
  if (createRevision < 0) return { createRevision: -createRevision, version, lease: record.readBigInt64LE(at + 12) };
  const lease = record.readDoubleLE(at + 12);
  return { createRevision, version, lease: lease === 0 ? noLease : BigInt(lease) };
}

function isSmall(id: LeaseId): boolean {
  return id >= 0n && id <= Number.MAX_SAFE_INTEGER;
}
