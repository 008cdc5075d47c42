import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { Pacer } from '#base/pacer';
import { EtcdError } from '../client.ts';

/** Sizes of liblmdb's structures, data format 2 on 64 bit (the fork in npm `lmdb` 3.5: `mdb.c`, MDB_page_header, MDB_meta). */
const pageHeaderBytes = 24;
const nodeHeaderBytes = 8;
const databaseBytes = 48;
const magic = 0xbeef_c0de;
const dataVersion = 2;
const branchFlag = 0x01;
const leafFlag = 0x02;
const overflowFlag = 0x04;
const metaFlag = 0x08;
const bigDataNode = 0x01;
const subDatabaseNode = 0x02;
const minPageBytes = 512;
const windowBytes = 65_536;
/** MDB_ovpage. */
const overflowReferenceBytes = 24;
/** Pages at the end that were taken and given back before they were written. */
const mostUnwrittenBytes = 2 ** 30;
const noRoot = 0xffff_ffff_ffff_ffffn;

/** What {@link readDataFile} looks for. */
export interface DataFileRequest {
  /** Tables that may be there; a file with others belongs to another program. */
  readonly known: readonly string[];
  /** The table whose records are handed to `visit`, in the order of their keys. The bytes are valid during the call only. */
  readonly table: string;
  readonly visit: (record: Buffer) => void;
}

/**
 * Reads a closed data file from end to end before LMDB maps it into memory, for two reasons. LMDB trusts the page numbers
 * and lengths it finds, so a truncated or overwritten file would end the process (SIGBUS) or be written into: this follows
 * every tree of the newest committed state and checks what LMDB relies on (records have checksums of their own). And a
 * table read here leaves no trace in memory, while reading it through the map would make most of the file resident.
 *
 * Throws EtcdError CORRUPT, in one line with the file's name, when the file is damaged or not ours.
 */
export async function readDataFile(file: string, request: DataFileRequest): Promise<void> {
  const descriptor = openSync(file, 'r');
  try {
    const pacer = new Pacer();
    let pages = 0;
    for (const _page of new DataFileReader(descriptor, request).run()) if (++pages % 32 === 0) await pacer.pace();
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    throw new EtcdError('CORRUPT', `${file} ${error.message}; it was left unchanged`, { cause: error });
  } finally {
    closeSync(descriptor);
  }
}

/** What is wrong with the file, to be put after its name. A record's visitor may throw it too. */
export class Damage extends Error {}

/** Whose pages are looked at: the tree of tables, the table that is visited, or any other. */
type Tree = 'main' | 'visited' | 'other';

/** A value of `size` bytes on `pages` pages of its own, from page `number`. */
interface Overflow {
  readonly number: number;
  readonly pages: number;
  readonly size: number;
}

class DataFileReader {
  readonly #descriptor: number;
  readonly #request: DataFileRequest;
  readonly #fileBytes: number;
  /** One bit a page. */
  readonly #visited: Uint8Array;
  #pageBytes = 4096;
  /** The part of the file read last: pages that follow each other need not be fetched one by one. */
  readonly #window = Buffer.allocUnsafeSlow(windowBytes);
  /** Of the pages in use. */
  #highest = 0;
  #windowStart = 0;
  #windowEnd = 0;

  constructor(descriptor: number, request: DataFileRequest) {
    this.#descriptor = descriptor;
    this.#request = request;
    this.#fileBytes = fstatSync(descriptor).size;
    this.#visited = new Uint8Array(Math.ceil(this.#fileBytes / minPageBytes / 8));
  }

  /** Yields after each page. */
  *run(): Generator<void, void> {
    const first = Buffer.from(this.#meta(0));
    this.#pageBytes = first.readUInt32LE(pageHeaderBytes + 24);
    if (this.#pageBytes < minPageBytes || this.#pageBytes > 65536 || (this.#pageBytes & (this.#pageBytes - 1)) !== 0) {
      throw new Damage('is damaged (page size)');
    }
    const second = Buffer.from(this.#meta(this.#pageBytes));
    checkMetas(first, second);
    const newest = transactionOf(second) > transactionOf(first) ? second : first;
    const free = newest.subarray(pageHeaderBytes + 24, pageHeaderBytes + 24 + databaseBytes);
    const main = newest.subarray(pageHeaderBytes + 24 + databaseBytes, pageHeaderBytes + 24 + 2 * databaseBytes);
    yield* this.#tree(free, 'other');
    yield* this.#tree(main, 'main');
    // LMDB takes new pages behind the last one: where others lie, or far outside of what it can map.
    const last = Number(newest.readBigUInt64LE(pageHeaderBytes + 24 + 2 * databaseBytes));
    const isBelieved = last >= this.#highest && last * this.#pageBytes <= this.#fileBytes + mostUnwrittenBytes;
    if (!isBelieved) throw new Damage('is damaged (last page)');
  }

  #meta(offset: number): Buffer {
    const page = this.#read(offset, pageHeaderBytes + 24 + 2 * databaseBytes + 24);
    const isMeta = (page.readUInt16LE(18) & metaFlag) !== 0 && page.readUInt32LE(pageHeaderBytes) === magic;
    if (!isMeta) throw new Damage(offset === 0 ? 'is not a Drydock data file' : 'is damaged (second meta page)');
    if ((page.readUInt32LE(pageHeaderBytes + 4) & 0xffff) !== dataVersion) {
      throw new Damage('is an LMDB file of another version');
    }
    return page;
  }

  /** `database` is an MDB_db record. */
  *#tree(database: Buffer, tree: Tree): Generator<void, void> {
    const root = database.readBigUInt64LE(40);
    if (root !== noRoot) yield* this.#page(Number(root), database.readUInt16LE(6), tree);
  }

  /** `height` is how many levels there are from this page down: 1 for a leaf. */
  *#page(number: number, height: number, tree: Tree): Generator<void, void> {
    this.#markVisited(number);
    const read = this.#read(number * this.#pageBytes, this.#pageBytes);
    // Kept while other pages are read.
    const page = height > 1 || tree !== 'other' ? Buffer.from(read) : read;
    const flags = page.readUInt16LE(18);
    const expected = height > 1 ? branchFlag : leafFlag;
    if (page.readBigUInt64LE(0) !== BigInt(number) || (flags & (branchFlag | leafFlag | overflowFlag)) !== expected) {
      throw new Damage(`is damaged (page ${number})`);
    }
    // Both bounds, and the offsets of nodes, count from the end of the header.
    const lower = page.readUInt16LE(20) + pageHeaderBytes;
    const upper = page.readUInt16LE(22) + pageHeaderBytes;
    if (lower > upper || upper > this.#pageBytes || lower % 2 !== 0) throw new Damage(`is damaged (page ${number})`);
    const overflows: Overflow[] = [];
    for (let at = pageHeaderBytes; at < lower; at += 2) {
      const node = page.readUInt16LE(at) + pageHeaderBytes;
      if (node < upper || node + nodeHeaderBytes > this.#pageBytes) throw new Damage(`is damaged (page ${number})`);
      if (height > 1) yield* this.#page(page.readUIntLE(node, 6), height - 1, tree);
      else if (tree === 'main') yield* this.#table(page, node);
      else this.#record(page, number, node, tree, overflows);
    }
    for (const overflow of overflows) this.#overflow(overflow);
    yield;
  }

  /** A node of the main tree. */
  *#table(page: Buffer, node: number): Generator<void, void> {
    const keyStart = node + nodeHeaderBytes;
    const valueStart = keyStart + page.readUInt16LE(node + 6);
    const name = page.toString('latin1', keyStart, valueStart).replace(/\0$/, '');
    const isTable = (page.readUInt16LE(node + 4) & subDatabaseNode) !== 0 && page.readUInt32LE(node) === databaseBytes;
    if (!isTable || !this.#request.known.includes(name) || valueStart + databaseBytes > this.#pageBytes) {
      throw new Damage('is an LMDB file of another program');
    }
    const database = page.subarray(valueStart, valueStart + databaseBytes);
    yield* this.#tree(database, name === this.#request.table ? 'visited' : 'other');
  }

  #record(page: Buffer, number: number, node: number, tree: Tree, overflows: Overflow[]): void {
    const size = page.readUInt32LE(node);
    const isBig = (page.readUInt16LE(node + 4) & bigDataNode) !== 0;
    const valueStart = node + nodeHeaderBytes + page.readUInt16LE(node + 6);
    if (valueStart + (isBig ? overflowReferenceBytes : size) > this.#pageBytes) {
      throw new Damage(`is damaged (page ${number})`);
    }
    if (!isBig) {
      if (tree === 'visited') this.#request.visit(page.subarray(valueStart, valueStart + size));
      return;
    }
    const pages = Number(page.readBigUInt64LE(valueStart + 16));
    const overflow = { number: Number(page.readBigUInt64LE(valueStart)), pages, size };
    if (tree !== 'visited') {
      overflows.push(overflow);
      return;
    }
    this.#overflow(overflow);
    const record = Buffer.allocUnsafe(size);
    const start = overflow.number * this.#pageBytes + pageHeaderBytes;
    if (readSync(this.#descriptor, record, 0, size, start) < size) throw new Damage('is truncated');
    this.#request.visit(record);
  }

  #overflow({ number, pages, size }: Overflow): void {
    this.#markVisited(number);
    const header = this.#read(number * this.#pageBytes, pageHeaderBytes);
    const isRight = header.readBigUInt64LE(0) === BigInt(number) && (header.readUInt16LE(18) & overflowFlag) !== 0;
    const fits = size <= pages * this.#pageBytes - pageHeaderBytes && header.readUInt32LE(20) === pages;
    if (!isRight || !fits) throw new Damage(`is damaged (page ${number})`);
    if ((number + pages) * this.#pageBytes > this.#fileBytes) throw new Damage('is truncated');
  }

  /** Every page belongs to one place; a loop would never end. */
  #markVisited(number: number): void {
    const seen = this.#visited[number >>> 3];
    if (seen === undefined) throw new Damage('is truncated');
    if ((seen & (1 << (number & 7))) !== 0) throw new Damage(`is damaged (page ${number} is used twice)`);
    this.#visited[number >>> 3] = seen | (1 << (number & 7));
    this.#highest = Math.max(this.#highest, number);
  }

  /** The bytes at `offset`, until the next read. */
  #read(offset: number, length: number): Buffer {
    if (!Number.isSafeInteger(offset)) throw new Damage('is damaged (page number)');
    if (offset < this.#windowStart || offset + length > this.#windowEnd) {
      this.#windowStart = offset;
      this.#windowEnd = offset + readSync(this.#descriptor, this.#window, 0, windowBytes, offset);
    }
    if (offset + length > this.#windowEnd) {
      throw new Damage(this.#fileBytes < 2 * this.#pageBytes ? 'is not a Drydock data file' : 'is truncated');
    }
    return this.#window.subarray(offset - this.#windowStart, offset - this.#windowStart + length);
  }
}

/**
 * What LMDB believes of a meta page unseen. The two are written in turn, one a transaction, so that a number that is not the
 * other's neighbour was not written: believing it would show the state before the last commit. (A copy's first one has 0.)
 */
function checkMetas(first: Buffer, second: Buffer): void {
  const [even, odd] = [transactionOf(first), transactionOf(second)];
  const [older, newer] = even < odd ? [even, odd] : [odd, even];
  const inTurn = even % 2n === 0n && (odd % 2n === 1n || odd === 0n) && (older === 0n || newer - older === 1n);
  // Address and, of both trees, what kind they are; the page size is the first one's.
  const start = pageHeaderBytes + 8;
  const fixed = [start, pageHeaderBytes + 24, pageHeaderBytes + 24 + databaseBytes];
  const alike = fixed.every((at, i) => {
    const end = at + (i === 0 ? 8 : 6);
    return first.subarray(at, end).equals(second.subarray(at, end));
  });
  if (!inTurn || !alike) throw new Damage('is damaged (meta pages)');
}

/** The number of the transaction that a meta page belongs to. */
function transactionOf(meta: Buffer): bigint {
  return meta.readBigUInt64LE(pageHeaderBytes + 24 + 2 * databaseBytes + 8);
}
