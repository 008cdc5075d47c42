import * as zlib from 'node:zlib';

/**
 * Node has CRC-32 since 20.15, and Electron 25 (Node 18) has not: there it takes JavaScript three times as long. The type
 * definitions are those of the oldest Node that a part of Drydock runs on, so they do not know it.
 */
const { crc32 = crc32ByTable } = zlib as { readonly crc32?: (bytes: Uint8Array) => number };

/** Writes the checksum of the rest of `record` into its first four bytes. `seed`: what else it shall vouch for. */
export function seal(record: Buffer, seed: number): void {
  record.writeInt32LE(seed, 0);
  record.writeUInt32LE(crc32(record), 0);
}

/** Whether `record` is as it was sealed with `seed`. Overwrites the checksum: `record` must be the caller's own. */
export function isSealed(record: Buffer, seed: number): boolean {
  const found = record.readUInt32LE(0);
  record.writeInt32LE(seed, 0);
  // The first data files have the other checksum, which takes JavaScript four times as long.
  return crc32(record) === found || checksum(record, seed, 4) === found;
}

/** MurmurHash3 (x86, 32 bit; Austin Appleby, public domain): finds damaged bytes, is no protection against an attacker. */
export function checksum(bytes: Uint8Array, seed = 0, start = 0): number {
  let hash = seed | 0;
  const wordsEnd = start + ((bytes.length - start) & ~3);
  let i = start;
  for (; i < wordsEnd; i += 4) {
    const word =
      (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24);
    hash ^= scramble(word);
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe654_6b64) | 0;
  }
  let tail = 0;
  for (let shift = 0; i < bytes.length; i++, shift += 8) tail |= (bytes[i] ?? 0) << shift;
  hash ^= scramble(tail) ^ (bytes.length - start);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(word: number): number {
  const product = Math.imul(word, 0xcc9e_2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b87_3593);
}

/** By byte, of the reversed polynomial of ISO 3309. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb8_8320 : crc >>> 1;
  return crc >>> 0;
});

/** CRC-32 as zlib has it. */
export function crc32ByTable(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return ~crc >>> 0;
}
