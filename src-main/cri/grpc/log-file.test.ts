import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import type { LogOptions, LogRecord } from '../cri.ts';
import { readLogFile } from './log-file.ts';
import { parseLogLine } from './log-format.ts';

let folder = '';
let path = '';
let running = false;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-log-'));
  path = join(folder, '0.log');
  running = false;
});
afterEach(() => rmSync(folder, { recursive: true }));

const line = (text: string, second = 0, tag = 'F'): string =>
  `2026-01-02T03:04:${String(second).padStart(2, '0')}.5Z stdout ${tag} ${text}\n`;

function read(options: Partial<LogOptions> = {}, context = Context.background()): AsyncGenerator<LogRecord> {
  return readLogFile(context, path, {
    follow: false,
    ...options,
    clock: new RealClock(),
    running: async () => running,
  });
}

async function texts(records: AsyncIterable<LogRecord>): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const record of records) found.push(Buffer.from(record.text).toString());
  return found;
}

async function next(records: AsyncGenerator<LogRecord>): Promise<string | undefined> {
  const { value, done } = await records.next();
  return done ? undefined : Buffer.from((value as LogRecord).text).toString();
}

test('a line is time, stream, tags and text', () => {
  expect(parseLogLine(Buffer.from('2026-01-02T03:04:05.6+01:00 stderr P:x a b '))).toEqual({
    timestamp: '2026-01-02T03:04:05.600000000+01:00',
    timeMs: Date.UTC(2026, 0, 2, 2, 4, 5, 600),
    stream: 'stderr',
    text: Uint8Array.from(Buffer.from('a b ')),
    partial: true,
  });
  for (const damaged of [
    '',
    'x',
    '2026-01-02T03:04:05Z stdout F',
    '2026-01-02T03:04:05Z other F x',
    'now stdout F x',
  ]) {
    expect(parseLogLine(Buffer.from(damaged))).toBeUndefined();
  }
});

test('a file that is not there is an empty log', async () => {
  expect(await texts(read())).toEqual([]);
});

test('since leaves out what is older, and an unfinished line is not there yet', async () => {
  writeFileSync(path, `${line('a', 1)}${line('b', 2)}damaged\n${line('c', 3)}2026-01-02T`);
  expect(await texts(read())).toEqual(['a', 'b', 'c']);
  expect(await texts(read({ sinceMs: Date.UTC(2026, 0, 2, 3, 4, 2, 500) }))).toEqual(['b', 'c']);
});

test('tail counts lines, however many records and blocks they take', async () => {
  const long = 'x'.repeat(70_000);
  writeFileSync(path, line('a') + line('p1', 0, 'P') + line(long, 0, 'P') + line('p3') + line('b') + line('q', 0, 'P'));
  expect(await texts(read({ tailLines: 0 }))).toEqual([]);
  expect(await texts(read({ tailLines: 1 }))).toEqual(['q']);
  expect(await texts(read({ tailLines: 2 }))).toEqual(['b', 'q']);
  expect(await texts(read({ tailLines: 3 }))).toEqual(['p1', long, 'p3', 'b', 'q']);
  expect(await texts(read({ tailLines: 9 }))).toEqual(['a', 'p1', long, 'p3', 'b', 'q']);
  writeFileSync(path, '\n\n');
  expect(await texts(read({ tailLines: 5 }))).toEqual([]);
});

test('following goes on through rotation and truncation, and ends with the container', async () => {
  running = true;
  const records = read({ follow: true });
  const first = next(records);
  writeFileSync(path, line('a'));
  expect(await first).toBe('a');
  appendFileSync(path, line('b').slice(0, 10));
  appendFileSync(path, line('b').slice(10));
  expect(await next(records)).toBe('b');
  appendFileSync(path, line('last of the old'));
  renameSync(path, `${path}.20260102`);
  writeFileSync(path, line('first of the new'));
  expect(await next(records)).toBe('last of the old');
  expect(await next(records)).toBe('first of the new');
  const after = next(records);
  truncateSync(path);
  appendFileSync(path, line('x'));
  expect(await after).toBe('x');
  running = false;
  expect(await next(records)).toBeUndefined();
});

test('what is still written into the old file right after rotation comes before the new one', async () => {
  running = true;
  /** Sleeps only between seeing a new file and leaving the old one. */
  class LateWrite extends RealClock {
    override sleep(sleeping: Context, delayMs: number): Promise<void> {
      appendFileSync(`${path}.20260102`, line('late'));
      return super.sleep(sleeping, delayMs);
    }
  }
  writeFileSync(path, line('a'));
  const records = readLogFile(Context.background(), path, {
    ...{ follow: true, clock: new LateWrite(), running: async () => running },
  });
  expect(await next(records)).toBe('a');
  renameSync(path, `${path}.20260102`);
  writeFileSync(path, line('new'));
  expect([await next(records), await next(records)]).toEqual(['late', 'new']);
  running = false;
  expect(await next(records)).toBeUndefined();
});

test('following ends with its context', async () => {
  running = true;
  writeFileSync(path, line('a'));
  const { context, cancel } = Context.background().withCancel();
  const records = read({ follow: true, tailLines: 0 }, context);
  const waiting = next(records);
  cancel();
  expect(await waiting).toBeUndefined();
});
