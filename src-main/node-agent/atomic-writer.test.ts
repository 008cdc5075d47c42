import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeAtomically } from './atomic-writer.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-atomic-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (path: string, text: string, mode = 0o644) => ({ path, content: Buffer.from(text), mode });
const names = () => readdirSync(folder).filter((name) => !name.startsWith('..'));
const read = (path: string) => readFileSync(join(folder, path), 'utf8');

test('what users see are links into the version that `..data` names', () => {
  writeAtomically(folder, [file('app.yaml', 'one', 0o400), file('sub/dir/x', 'deep')]);
  expect(names().sort()).toEqual(['app.yaml', 'sub']);
  expect(readlinkSync(join(folder, 'app.yaml'))).toBe('..data/app.yaml');
  expect([read('app.yaml'), read('sub/dir/x')]).toEqual(['one', 'deep']);
  expect(statSync(join(folder, 'app.yaml')).mode & 0o777).toBe(0o400);
});

test('a change switches one link; names that are gone go, and so does the version before', () => {
  writeAtomically(folder, [file('a', '1'), file('b', '1')]);
  const before = readlinkSync(join(folder, '..data'));
  writeAtomically(folder, [file('a', '2'), file('c', '2')]);
  expect(readlinkSync(join(folder, '..data'))).not.toBe(before);
  expect(names().sort()).toEqual(['a', 'c']);
  expect(read('a')).toBe('2');
  expect(readdirSync(folder).filter((name) => name.startsWith('..version_'))).toHaveLength(1);
});

test('nothing is written when nothing changed', () => {
  writeAtomically(folder, [file('a', '1')], 2000);
  const before = readlinkSync(join(folder, '..data'));
  writeAtomically(folder, [file('a', '1')], 2000);
  expect(readlinkSync(join(folder, '..data'))).toBe(before);
  writeAtomically(folder, [file('a', '1', 0o600)], 2000);
  expect(readlinkSync(join(folder, '..data'))).not.toBe(before);
});

test.skipIf(process.getuid?.() !== 0)('a group may read what the owner may', () => {
  writeAtomically(folder, [file('token', 'secret', 0o400)], 2000);
  const stats = statSync(join(folder, 'token'));
  expect([stats.gid, stats.mode & 0o777]).toEqual([2000, 0o440]);
});

test('a path that leads out is refused before anything is written', () => {
  expect(() => writeAtomically(folder, [file('../evil', 'x')])).toThrow('invalid path');
  expect(() => writeAtomically(folder, [file('..data', 'x')])).toThrow('invalid path');
  expect(readdirSync(folder)).toEqual([]);
});
