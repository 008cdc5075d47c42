import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
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
const windowBytes = 65_536;
const noRoot = 0xffff_ffff_ffff_ffffn;

/**
 * Looks through a closed data file before LMDB maps it into memory: LMDB trusts page numbers and lengths it finds, so a
 * truncated or overwritten file would end the process (SIGBUS) or be written into. Follows every tree of the newest
 * committed state and checks what LMDB relies on; the contents of records have checksums of their own.
 *
 * Throws EtcdError CORRUPT, in one line with the file's name, when the file is damaged or has other tables than `known`.
 */
export function checkDataFile(file: string, known: readonly string[]): void {
  const descriptor = openSync(file, 'r');
  try {
    new PageCheck(descriptor, known).run();
  } catch (error) {
    if (!(error instanceof Damage)) throw error;
    throw new EtcdError('CORRUPT', `${file} ${error.message}; it was left unchanged`, { cause: error });
  } finally {
    closeSync(descriptor);
  }
}

class Damage extends Error {}

/** A value of `size` bytes on `pages` pages of its own, from page `number`. */
interface Overflow {
  readonly number: number;
  readonly pages: number;
  readonly size: number;
}

class PageCheck {
  readonly #descriptor: number;
  readonly #known: readonly string[];
  readonly #fileBytes: number;
  readonly #visited = new Set<number>();
  #pageBytes = 4096;
  /** The part of the file read last: pages that follow each other need not be fetched one by one. */
  readonly #window = Buffer.allocUnsafeSlow(windowBytes);
  #windowStart = 0;
  #windowEnd = 0;

  constructor(descriptor: number, known: readonly string[]) {
    this.#descriptor = descriptor;
    this.#known = known;
    this.#fileBytes = fstatSync(descriptor).size;
  }

  run(): void {
    const first = Buffer.from(this.#meta(0));
    this.#pageBytes = first.readUInt32LE(pageHeaderBytes + 24);
    if (this.#pageBytes < 512 || this.#pageBytes > 65536 || (this.#pageBytes & (this.#pageBytes - 1)) !== 0) {
      throw new Damage('is damaged (page size)');
    }
    const second = Buffer.from(this.#meta(this.#pageBytes));
    const newest = transactionOf(second) > transactionOf(first) ? second : first;
    const free = newest.subarray(pageHeaderBytes + 24, pageHeaderBytes + 24 + databaseBytes);
    const main = newest.subarray(pageHeaderBytes + 24 + databaseBytes, pageHeaderBytes + 24 + 2 * databaseBytes);
    this.#tree(free, false);
    this.#tree(main, true);
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

  /** `database` is an MDB_db record. In the main tree, nodes are tables. */
  #tree(database: Buffer, isMain: boolean): void {
    const root = database.readBigUInt64LE(40);
    if (root === noRoot) return;
    this.#page(Number(root), database.readUInt16LE(6), isMain);
  }

  /** `height` is how many levels there are from this page down: 1 for a leaf. */
  #page(number: number, height: number, isMain: boolean): void {
    if (this.#visited.has(number)) throw new Damage(`is damaged (page ${number} is used twice)`);
    this.#visited.add(number);
    const read = this.#read(number * this.#pageBytes, this.#pageBytes);
    // Kept while pages below it are read; the many leaves of the tables are not.
    const page = height > 1 || isMain ? Buffer.from(read) : read;
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
      if (height > 1) this.#page(page.readUIntLE(node, 6), height - 1, isMain);
      else this.#leafNode(page, number, node, isMain, overflows);
    }
    for (const overflow of overflows) this.#overflow(overflow);
  }

  #leafNode(page: Buffer, number: number, node: number, isMain: boolean, overflows: Overflow[]): void {
    const size = page.readUInt32LE(node);
    const flags = page.readUInt16LE(node + 4);
    const keyStart = node + nodeHeaderBytes;
    const valueStart = keyStart + page.readUInt16LE(node + 6);
    const stored = (flags & bigDataNode) !== 0 ? 24 : size;
    if (valueStart + stored > this.#pageBytes) throw new Damage(`is damaged (page ${number})`);
    if ((flags & bigDataNode) !== 0) {
      const pages = Number(page.readBigUInt64LE(valueStart + 16));
      overflows.push({ number: Number(page.readBigUInt64LE(valueStart)), pages, size });
    }
    if (!isMain) return;
    const name = page.toString('latin1', keyStart, valueStart).replace(/\0$/, '');
    if ((flags & subDatabaseNode) === 0 || size !== databaseBytes || !this.#known.includes(name)) {
      throw new Damage('is an LMDB file of another program');
    }
    this.#tree(page.subarray(valueStart, valueStart + databaseBytes), false);
  }

  #overflow({ number, pages, size }: Overflow): void {
    if (this.#visited.has(number)) throw new Damage(`is damaged (page ${number} is used twice)`);
    this.#visited.add(number);
    const header = this.#read(number * this.#pageBytes, pageHeaderBytes);
    const isRight = header.readBigUInt64LE(0) === BigInt(number) && (header.readUInt16LE(18) & overflowFlag) !== 0;
    const fits = size <= pages * this.#pageBytes - pageHeaderBytes && header.readUInt32LE(20) === pages;
    if (!isRight || !fits) throw new Damage(`is damaged (page ${number})`);
    if ((number + pages) * this.#pageBytes > this.#fileBytes) throw new Damage('is truncated');
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

/** The number of the transaction that a meta page belongs to. */
function transactionOf(meta: Buffer): bigint {
  return meta.readBigUInt64LE(pageHeaderBytes + 24 + 2 * databaseBytes + 8);
}
