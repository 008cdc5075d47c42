import { describe, expect, it } from 'vitest';
import { LogDecoder, LogPlace, tailStart } from './log-records.ts';

const at = (second: number): string => `2026-01-02T03:04:0${second}.000000000Z`;

function frame(stream: 1 | 2, text: string, second = 5): Buffer {
  const payload = Buffer.from(`${at(second)} ${text}`);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

/** As `text` of stream and whether it goes on, however the bytes are cut. */
function decoded(tty: boolean, bytes: Buffer, chunkBytes: number): readonly string[] {
  const decoder = new LogDecoder(tty);
  const records = [];
  for (let from = 0; from < bytes.length; from += chunkBytes) {
    records.push(...decoder.push(bytes.subarray(from, from + chunkBytes)));
  }
  return [...records, ...decoder.end()].map(
    ({ stream, text, partial }) => `${stream} ${Buffer.from(text).toString()} ${partial ? 'P' : 'F'}`,
  );
}

describe('the engine’s log', () => {
  it.each([1, 7, 100_000])('is the same in chunks of %i bytes', (chunkBytes) => {
    const bytes = Buffer.concat([frame(1, 'one\n'), frame(2, 'two\n'), frame(1, 'thr'), frame(1, 'ee\n')]);
    const records = ['stdout one F', 'stderr two F', 'stdout thr P', 'stdout ee F'];
    expect(decoded(false, bytes, chunkBytes)).toEqual(records);
  });

  it.each([1000, 100_000])('of a terminal is cut where the engine cut it, in chunks of %i bytes', (chunkBytes) => {
    const long = 'x'.repeat(16 * 1024);
    const bytes = Buffer.from(`${at(1)} a\r\n${at(2)} ${long}${at(2)} rest\r\n${at(3)} \r\n${at(4)} unfinished`);
    const records = ['stdout a\r F', `stdout ${long} P`, 'stdout rest\r F', 'stdout \r F', 'stdout unfinished P'];
    expect(decoded(true, bytes, chunkBytes)).toEqual(records);
  });

  it('counts the parts of a long line as one line', () => {
    const decoder = new LogDecoder(false);
    const records = decoder.push(Buffer.concat(['a\n', 'b1', 'b2', 'b3\n', 'open'].map((text) => frame(1, text))));
    expect([0, 1, 2, 3, 9].map((lines) => tailStart(records, lines))).toEqual([5, 4, 1, 0, 0]);
  });

  it('is found again where it broke off, also between records of one time', () => {
    const [first, second, third] = new LogDecoder(false).push(
      Buffer.concat([frame(1, 'part1'), frame(1, 'part2\n'), frame(1, 'next\n', 6)]),
    );
    const place = new LogPlace();
    expect(place.since).toBeUndefined();
    const pass = (records: readonly (typeof first)[]): readonly boolean[] =>
      records.map((record) => record !== undefined && place.pass(record));
    expect(pass([first])).toEqual([true]);
    expect(place.since).toBe(`${Date.parse(at(5)) / 1000}.000000000`);
    place.reopened();
    expect(pass([first, second])).toEqual([false, true]);
    place.reopened();
    expect(pass([first, second, third])).toEqual([false, false, true]);
    place.reopened();
    expect(pass([third])).toEqual([false]);
  });
});
