import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '#base/errors';
import { EtcdError } from '../client.ts';

/** System errors of a full disk, a file size limit and a full quota. */
const noSpaceCodes: readonly unknown[] = [28, 27, 122, 'ENOSPC', 'EFBIG', 'EDQUOT'];
const inputOutputError = 5;
/**
 * LMDB reports a write that was cut short as an input/output error, and lmdb what stopped a copy without its number: with
 * less room than this it was the full disk.
 */
const fullBelowBytes = 4 * 2 ** 20;

/** What went wrong with `file`, as the store says it: NO_SPACE, or `otherwise`. */
export function storageError(error: unknown, file: string, otherwise: 'CORRUPT' | 'UNAVAILABLE'): EtcdError {
  if (error instanceof EtcdError) return error;
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  const isVague = code === inputOutputError || code === undefined;
  if (noSpaceCodes.includes(code) || (isVague && freeBytes(file) < fullBelowBytes)) {
    return new EtcdError('NO_SPACE', `no space left for ${file}; free some, then write again`, { cause: error });
  }
  return new EtcdError(otherwise, `${file}: ${messageOf(error)}`, { cause: error });
}

/** Bytes that this process may still write where `file` is. */
export function freeBytes(file: string): number {
  const { bavail, bsize } = statfsSync(dirname(file));
  return bavail * bsize;
}
