import { createReadStream, createWriteStream } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { LogFiles } from '#kubelet/logs/log-files';

/** {@link LogFiles} on the file system of this machine. */
export class HostLogFiles implements LogFiles {
  async size(path: string): Promise<number | undefined> {
    return (await orMissing(stat(path)))?.size;
  }

  async list(path: string): Promise<readonly string[]> {
    return (await orMissing(readdir(path))) ?? [];
  }

  rename(from: string, to: string): Promise<void> {
    return rename(from, to);
  }

  async compress(from: string, to: string): Promise<void> {
    const { mode } = await stat(from);
    await pipeline(createReadStream(from), createGzip(), createWriteStream(to, { mode }));
  }

  remove(path: string): Promise<void> {
    return rm(path, { force: true });
  }
}

async function orMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
