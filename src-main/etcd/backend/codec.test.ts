import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changeId } from '../mvcc/key-index.ts';
import { checksum, isSealed, seal } from './checksum.ts';
import { decodeChanges, decodeValue, encodeChanges, encodeValue, valueOf } from './codec.ts';

const header = { key: '/registry/a', id: changeId(7, 1), createRevision: 5, version: 2, lease: 9n };

describe('records', () => {
  it('come back as they were written', () => {
    const value = Buffer.from('some value');
    const record = encodeValue(header, value);
    expect(Buffer.from(valueOf(record)).equals(value)).toBe(true);
    expect(decodeValue(header.key, header.id, Buffer.from(record))).toEqual(header);
    expect(decodeChanges(encodeChanges(7, [header]))).toEqual({ main: 7, changes: [header] });
  });

  it('are refused when any bit differs, and in any other place', () => {
    const record = encodeValue(header, Buffer.from('some value'));
    const changes = encodeChanges(7, [header]);
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 7 }), (at, bit) => {
        for (const [original, decode] of [
          [record, (bytes: Buffer) => decodeValue(header.key, header.id, bytes)],
          [changes, decodeChanges],
        ] as const) {
          const bytes = Buffer.from(original);
          bytes.writeUInt8(bytes.readUInt8(at % bytes.length) ^ (1 << bit), at % bytes.length);
          expect(decode(bytes)).toBeUndefined();
        }
      }),
      { seed: 3, numRuns: 500 },
    );
    expect(decodeValue('/registry/b', header.id, Buffer.from(record))).toBeUndefined();
    expect(decodeValue(header.key, changeId(8, 1), Buffer.from(record))).toBeUndefined();
  });

  it('of the first data files are read', () => {
    const record = Buffer.from('----what was written');
    seal(record, 3);
    record.writeUInt32LE(checksum(record, 3, 4), 0);
    expect(isSealed(record, 3)).toBe(true);
  });
});
