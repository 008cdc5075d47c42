import { randomFillSync } from 'node:crypto';
import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { crc32ByTable, isSealed, seal } from './checksum.ts';

const { crc32: native } = zlib as { readonly crc32?: (bytes: Uint8Array) => number };

describe('the checksum of a record', () => {
  it('is the CRC-32 everybody has', () => {
    expect(crc32ByTable(Buffer.from('123456789'))).toBe(0xcbf4_3926);
    expect(crc32ByTable(new Uint8Array(0))).toBe(0);
  });

  it.skipIf(!native)(
    'is the same by table, on Node 18, and by zlib, on newer ones: data files move between them',
    () => {
      for (const length of [1, 4, 63, 64, 1000, 70_000]) {
        const bytes = randomFillSync(Buffer.alloc(length));
        expect(crc32ByTable(bytes)).toBe(native?.(bytes));
      }
    },
  );

  it('vouches for every bit of the record and for the seed', () => {
    const record = randomFillSync(Buffer.alloc(40));
    seal(record, 7);
    expect(isSealed(Buffer.from(record), 7)).toBe(true);
    expect(isSealed(Buffer.from(record), 8)).toBe(false);
    for (let bit = 0; bit < record.length * 8; bit++) {
      const damaged = Buffer.from(record);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(isSealed(damaged, 7)).toBe(false);
    }
  });
});
