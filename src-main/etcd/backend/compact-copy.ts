import { mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { dataFile, openEnvironment, type Environment } from './environment.ts';
import { storageError } from './storage-error.ts';

const workPrefix = 'defragment-';
let copies = 0;

/** A folder beside the data file for a copy that is to take its place. */
export function workFolder(path: string): string {
  return join(path, `${workPrefix}${++copies}`);
}

/** What a crash in the middle of a defragmentation left, and the lock files of those that ended. */
export function removeUnfinishedCopies(path: string): void {
  for (const name of readdirSync(path)) {
    if (name.startsWith(workPrefix)) rmSync(join(path, name), { recursive: true, force: true });
  }
}

/**
 * Copies what `environment` has committed, without unused pages, to `data.mdb` in the new folder `folder`, and syncs it.
 * LMDB does it on a thread of its own, inside a read transaction: writers go on, but pages they free meanwhile are not
 * used again before it ends. Throws EtcdError NO_SPACE or UNAVAILABLE, with the folder gone.
 */
export async function copyCompacted({ root }: Environment, folder: string): Promise<void> {
  const file = dataFile(folder);
  try {
    mkdirSync(folder, { recursive: true });
    await root.backup(folder, true);
    await sync(file, 'r+');
  } catch (error) {
    // Looked at before the half copy gives its space back.
    const failure = storageError(error, file, 'UNAVAILABLE');
    rmSync(folder, { recursive: true, force: true });
    throw failure;
  }
}

/** Opens the copy in `folder` and renames it to be the data file of `path`; who has the old one open keeps it. */
export function takeOver(folder: string, path: string): Environment {
  let environment: Environment | undefined;
  try {
    environment = openEnvironment(folder);
    // Windows refuses to rename a file that is open: there, the old file stays in use.
    renameSync(dataFile(folder), dataFile(path));
    return environment;
  } catch (error) {
    void environment?.root.close();
    throw storageError(error, dataFile(path), 'UNAVAILABLE');
  }
}

/** Makes a rename inside `folder` survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform !== 'win32') await sync(folder, 'r');
}

async function sync(path: string, flags: 'r' | 'r+'): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
