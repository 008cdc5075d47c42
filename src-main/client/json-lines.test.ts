import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonLines } from './json-lines.ts';

test('values come out whole, however the bytes were cut', async () => {
  const values = fc.array(fc.record({ text: fc.string({ unit: 'grapheme' }) }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(values, fc.integer({ min: 1, max: 9 }), async (objects, size) => {
      const bytes = Buffer.from(objects.map((object) => `${JSON.stringify(object)}\n`).join(''));
      async function* cut(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      }
      const out: unknown[] = [];
      for await (const value of jsonLines(cut())) out.push(value);
      expect(out).toEqual(objects);
    }),
  );
});
