import { readdir, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Removes a container's log with what rotation has made of it, and its folder when nothing else is in there. */
export async function removeLogFile(path: string): Promise<void> {
  const [folder, name] = [dirname(path), basename(path)];
  for (const entry of await readdir(folder).catch(nothingIfMissing)) {
    if (entry === name || entry.startsWith(`${name}.`)) await rm(join(folder, entry), { force: true });
  }
  await removeIfEmpty(folder);
}

/** A pod's next sandbox writes into the same folder: only an empty one may go. */
export async function removeIfEmpty(folder: string): Promise<void> {
  const entries = await readdir(folder).catch(nothingIfMissing);
  if (entries.length === 0) await rmdir(folder).catch(nothingIfMissing);
}

/** `ENOTEMPTY`: somebody has just written there again. */
function nothingIfMissing(error: unknown): readonly string[] {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTEMPTY') return [];
  throw error;
}
