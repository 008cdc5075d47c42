import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeKey, encodeKey, fromByteString, toByteString } from './byte-string.ts';
import { prefixEnd } from './client.ts';

describe('keys', () => {
  it('come back from any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), (bytes) => {
        expect([...encodeKey(decodeKey(bytes))]).toEqual([...bytes]);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });

  it('come back from any text, and sort as its UTF-8 does', () => {
    const text = fc.string({ unit: 'binary', maxLength: 8 });
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(fromByteString(toByteString(a))).toBe(a);
        const order = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(toByteString(a) < toByteString(b)).toBe(order < 0);
      }),
      { seed: 1 },
    );
  });

  it.each([
    ['\u00e9', [0xc3, 0xa9]],
    ['\udcff\udcfe', [0xff, 0xfe]],
    ['a\ufffd', [0x61, 0xef, 0xbf, 0xbd]],
    ['\udcc3/', [0xc3, 0x2f]],
  ])('%j is %j', (text, bytes) => {
    expect([...encodeKey(text)]).toEqual(bytes);
    expect(decodeKey(Uint8Array.from(bytes))).toBe(text);
  });

  it('of a prefix end where the range ends', () => {
    const text = fc.string({ unit: 'binary', maxLength: 4 });
    fc.assert(
      fc.property(text, text, (prefix, key) => {
        const [start, end] = [toByteString(prefix), toByteString(prefixEnd(prefix))];
        const bytes = toByteString(key);
        const isInRange = bytes >= start && (end === '\0' || bytes < end);
        expect(isInRange).toBe(key.startsWith(prefix));
        expect(toByteString(prefix + key) >= start && (end === '\0' || toByteString(prefix + key) < end)).toBe(true);
      }),
      { seed: 1, numRuns: 1000 },
    );
  });
});
