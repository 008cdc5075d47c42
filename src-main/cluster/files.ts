import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { messageOf } from '#base/errors';
import { ClusterError } from './errors.ts';

/** Writes a file whole or not at all: beside it first, flushed, then renamed over it. Mode 0600 unless told otherwise. */
export function writeFileAtomic(path: string, text: string, mode = 0o600): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);
  const file = openSync(temporary, 'w', mode);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

/** The text of a file; undefined when there is none. Throws ClusterError HOME_DAMAGED when it cannot be read. */
export function readTextFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new ClusterError('HOME_DAMAGED', `cannot read ${path}: ${messageOf(error)}`, { cause: error });
  }
}

/** Parses a JSON file of ours with `decode`, which throws Error when the value is not what it should be. */
export function readJsonFile<T>(path: string, decode: (value: unknown) => T): T | undefined {
  const text = readTextFile(path);
  if (text === undefined) return undefined;
  try {
    return decode(JSON.parse(text));
  } catch (error) {
    throw new ClusterError(
      'HOME_DAMAGED',
      `${path} is damaged (${messageOf(error)}); restore it from a backup or move it away`,
      { cause: error },
    );
  }
}
