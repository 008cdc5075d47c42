import { existsSync, mkdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { EtcdError } from '../client.ts';
import type { ByteString } from '../byte-string.ts';
import { mainOf, type ChangeId } from '../mvcc/key-index.ts';
import { decodeChanges, decodeValue, valueOf, type ChangeHeader } from './codec.ts';
import { copyCompacted, removeUnfinishedCopies, syncFolder, takeOver, workFolder } from './compact-copy.ts';
import { Damage, readDataFile } from './data-file-reader.ts';
import { bytesInUse, dataFile, openEnvironment, tableNames, type Environment } from './environment.ts';
import { freeBytes, storageError } from './storage-error.ts';
import { WriteBatch, type Tables } from './write-batch.ts';

const formatKey = 'format';
const format = 'drydock-etcd/1';

/** The changes of one revision. */
export interface RevisionRow {
  readonly main: number;
  readonly changes: readonly ChangeHeader[];
}

/** Environments that are closing, by directory: a file must not be opened twice in one process. */
const closing = new Map<string, Promise<void>>();
const inUse = new Set<string>();

/**
 * The data file: LMDB in the directory `path`. What `commit` wrote is on disk when its promise resolves: `overlappingSync`
 * is off, so that LMDB syncs data and then meta page before it reports a commit (the writing and syncing happen on
 * lmdb's own thread). All of one `commit` is there after a crash, or nothing of it.
 */
export class Backend {
  readonly path: string;
  #environment: Environment;
  /** Commits under way. */
  readonly #committing = new Set<Promise<unknown>>();
  readonly #copying = new Set<Promise<void>>();
  /** A defragmentation under way, for which commits wait. */
  #defragmenting: Promise<void> | undefined;

  private constructor(path: string, environment: Environment) {
    this.path = path;
    this.#environment = environment;
  }

  /** Those of the file in use now: not to be kept from one turn of the event loop to the next. */
  get tables(): Tables {
    return this.#environment.tables;
  }

  /**
   * Hands all revisions on disk to `onRevision`, oldest first. Throws EtcdError CORRUPT, with the file unchanged, when the
   * data file is damaged or is something else.
   */
  static async open(directory: string, onRevision: (row: RevisionRow) => void): Promise<Backend> {
    const path = resolve(directory);
    await closing.get(path);
    if (inUse.has(path)) throw new EtcdError('UNAVAILABLE', `${path} is already open in this process; close it first`);
    const file = dataFile(path);
    mkdirSync(path, { recursive: true });
    const isNew = !existsSync(file) || statSync(file).size === 0;
    inUse.add(path);
    try {
      if (!isNew) await readDataFile(file, { known: tableNames, table: 'changes', visit: visitor(onRevision) });
      removeUnfinishedCopies(path);
      const backend = new Backend(path, openEnvironment(path));
      await backend.#checkFormat();
      return backend;
    } catch (error) {
      inUse.delete(path);
      throw storageError(error, file, isNew ? 'UNAVAILABLE' : 'CORRUPT');
    }
  }

  /** The stored value of a put; undefined when there is none. Throws EtcdError CORRUPT. */
  readValue(key: ByteString, id: ChangeId): { header: ChangeHeader; value: Uint8Array } | undefined {
    const shared = this.tables.values.getBinaryFast(id);
    if (!shared) return undefined;
    const record = copyOf(shared);
    const header = decodeValue(key, id, record);
    if (!header) throw this.corrupt(`the value written at revision ${mainOf(id)} is damaged`);
    return { header, value: valueOf(record) };
  }

  /** The changes of the revisions from `from` up to but without `end`, at most `limit` revisions. Throws EtcdError CORRUPT. */
  *readChanges(from: number, end: number, limit?: number): Generator<RevisionRow, void> {
    for (const { key: main, value } of this.tables.changes.getRange({ start: from, end, limit })) {
      const row = decodeChanges(value);
      if (row?.main !== main) throw this.corrupt(`the list of changes of revision ${main} is damaged`);
      yield row;
    }
  }

  corrupt(what: string): EtcdError {
    return new EtcdError('CORRUPT', `${dataFile(this.path)}: ${what}; the file was left unchanged`);
  }

  /**
   * Runs `write` and makes what it put into the batch one LMDB transaction. Resolves when it is on disk; throws EtcdError
   * NO_SPACE or UNAVAILABLE, and then nothing of it is.
   */
  async commit(write: (batch: WriteBatch) => void): Promise<void> {
    while (this.#defragmenting) await this.#defragmenting;
    const { root, tables } = this.#environment;
    let committed: Promise<unknown> | undefined;
    try {
      committed = root.batch(() => write(new WriteBatch(tables)));
      this.#committing.add(committed);
      await committed;
    } catch (error) {
      // lmdb reports a failed commit in two steps: the promise's error carries a promise of the reason.
      const reason: unknown = isCommitFailure(error) ? await error.commitError.catch((cause: unknown) => cause) : error;
      throw storageError(reason, dataFile(this.path), 'UNAVAILABLE');
    } finally {
      if (committed) this.#committing.delete(committed);
    }
  }

  get file(): string {
    return dataFile(this.path);
  }

  /** Whether so many bytes can still be written: free ones of the disk, and those that the data file holds unused. */
  hasRoom(bytes: number): boolean {
    const free = freeBytes(this.file);
    if (free >= bytes) return true;
    const { totalBytes, inUseBytes } = this.size();
    return free + totalBytes - inUseBytes >= bytes;
  }

  /** Bytes of the data file, and of the pages in it that hold something. */
  size(): { totalBytes: number; inUseBytes: number } {
    return { totalBytes: statSync(dataFile(this.path)).size, inUseBytes: bytesInUse(this.#environment) };
  }

  /**
   * Writes what is on disk at one moment as a data file without unused pages, `data.mdb` in the new folder `folder`, and
   * syncs it. Commits go on meanwhile. Throws EtcdError NO_SPACE or UNAVAILABLE, with the folder gone.
   */
  async copyTo(folder: string): Promise<void> {
    const copied = copyCompacted(this.#environment, folder);
    this.#copying.add(copied);
    try {
      await copied;
    } finally {
      this.#copying.delete(copied);
    }
  }

  /**
   * Puts a copy without unused pages in the place of the data file, so that the disk gets them back. Reads go on, commits
   * wait. A crash leaves the old file or the new one, both with everything that was ever acknowledged. Throws EtcdError
   * NO_SPACE or UNAVAILABLE, and goes on with the old file then. While one is under way, the same one.
   */
  defragment(): Promise<void> {
    if (this.#defragmenting) return this.#defragmenting;
    const done = this.#defragment();
    // Those who wait to commit are not concerned by a failure.
    this.#defragmenting = done.catch(() => undefined).finally(() => (this.#defragmenting = undefined));
    return done;
  }

  async #defragment(): Promise<void> {
    await Promise.allSettled(this.#committing);
    const old = this.#environment;
    const folder = workFolder(this.path);
    await copyCompacted(old, folder);
    if (closing.has(this.path)) throw new EtcdError('UNAVAILABLE', 'the store is stopped');
    this.#environment = takeOver(folder, this.path);
    await syncFolder(this.path);
    await this.#release(old);
  }

  /** Waits for a commit or a defragmentation under way. */
  close(): Promise<void> {
    const done = closing.get(this.path) ?? this.#close();
    closing.set(this.path, done);
    return done;
  }

  async #close(): Promise<void> {
    try {
      // In a turn of its own: a defragmentation sees that the store is closing before it takes over.
      await this.#defragmenting;
      await this.#release(this.#environment);
    } finally {
      closing.delete(this.path);
      inUse.delete(this.path);
    }
  }

  async #release({ root }: Environment): Promise<void> {
    await Promise.allSettled(this.#copying);
    await root.close();
  }

  async #checkFormat(): Promise<void> {
    const found = this.tables.meta.get(formatKey);
    if (found === format) return;
    if (found === undefined && isEmpty(this.tables)) {
      await this.commit((batch) => batch.put('meta', formatKey, format));
      return;
    }
    await this.close();
    throw new EtcdError(
      'CORRUPT',
      `${dataFile(this.path)} has format ${found ?? 'unknown'}, this program reads ${format}; it was left unchanged`,
    );
  }
}

function visitor(onRevision: (row: RevisionRow) => void): (record: Buffer) => void {
  let last = 0;
  return (record) => {
    const row = decodeChanges(record);
    if (!row || row.main <= last) throw new Damage(`is damaged (changes after revision ${last})`);
    last = row.main;
    onRevision(row);
  };
}

function isEmpty({ changes, values }: Tables): boolean {
  return changes.getKeysCount({ limit: 1 }) === 0 && values.getKeysCount({ limit: 1 }) === 0;
}

function isCommitFailure(error: unknown): error is { commitError: Promise<unknown> } {
  return error instanceof Error && 'commitError' in error && error.commitError instanceof Promise;
}

/** Whether `copy` heeds a `length` that was set by hand, as lmdb does it (Node 20 copies what is really there, and fails). */
const copyHeedsLength = ((): boolean => {
  const shared = Object.defineProperty(Buffer.alloc(2), 'length', { value: 1 });
  try {
    return shared.copy(Buffer.alloc(1), 0, 0, 1) === 1;
  } catch {
    return false;
  }
})();

/** The next read overwrites what lmdb hands out. A slice of it would cost as much as the read, where it can be avoided. */
function copyOf(shared: Buffer): Buffer {
  const record = Buffer.allocUnsafe(shared.length);
  if (copyHeedsLength) shared.copy(record, 0, 0, record.length);
  else record.set(shared.subarray(0, record.length));
  return record;
}
