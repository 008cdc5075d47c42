import { existsSync, mkdirSync, statfsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { messageOf } from '#base/errors';
import { EtcdError } from '../client.ts';
import type { ByteString } from '../byte-string.ts';
import { mainOf, type ChangeId } from '../mvcc/key-index.ts';
import { decodeChanges, decodeValue, valueOf, type ChangeHeader } from './codec.ts';
import { WriteBatch, type Tables } from './write-batch.ts';
import { Damage, readDataFile } from './data-file-reader.ts';

const formatKey = 'format';
const format = 'drydock-etcd/1';
/** Every table of the data file. A file with others is not ours. */
const tableNames = ['meta', 'values', 'changes', 'records', 'leases'] as const;

/**
 * `overlappingSync` off: a commit is reported after its sync. `eventTurnBatching` off: every transaction is an explicit
 * batch, and lmdb makes no hidden promise that would reject unheard when the disk is full.
 */
const environment = {
  noSubdir: false,
  overlappingSync: false,
  eventTurnBatching: false,
  maxDbs: 8,
  encoding: 'binary',
} as const;

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
  readonly tables: Tables;
  readonly #root: RootDatabase;

  private constructor(path: string, root: RootDatabase, tables: Tables) {
    this.path = path;
    this.#root = root;
    this.tables = tables;
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
      const root = open({ path, ...environment });
      const tables: Tables = {
        meta: root.openDB('meta', { encoding: 'string' }),
        values: root.openDB('values', { encoding: 'binary' }),
        changes: root.openDB('changes', { encoding: 'binary' }),
        records: root.openDB('records', { encoding: 'string' }),
        leases: root.openDB('leases', { encoding: 'string' }),
      };
      const backend = new Backend(path, root, tables);
      await backend.#checkFormat();
      return backend;
    } catch (error) {
      inUse.delete(path);
      throw storageError(error, file, isNew ? 'UNAVAILABLE' : 'CORRUPT');
    }
  }

  /** The stored value of a put; undefined when there is none. Throws EtcdError CORRUPT. */
  readValue(key: ByteString, id: ChangeId): { header: ChangeHeader; value: Uint8Array } | undefined {
    const record = this.tables.values.getBinary(id);
    if (!record) return undefined;
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
    try {
      await this.#root.batch(() => write(new WriteBatch(this.tables)));
    } catch (error) {
      // lmdb reports a failed commit in two steps: the promise's error carries a promise of the reason.
      const reason: unknown = isCommitFailure(error) ? await error.commitError.catch((cause: unknown) => cause) : error;
      throw storageError(reason, dataFile(this.path), 'UNAVAILABLE');
    }
  }

  /** Bytes of the data file, and of the pages in it that hold something. */
  size(): { totalBytes: number; inUseBytes: number } {
    let inUseBytes = 0;
    for (const table of [this.#root, ...Object.values(this.tables)]) {
      const stats = decodeStats(table.getStats());
      inUseBytes += stats.pages * stats.pageSize;
    }
    return { totalBytes: statSync(dataFile(this.path)).size, inUseBytes };
  }

  /** Waits for a commit under way. */
  close(): Promise<void> {
    const done = closing.get(this.path) ?? this.#root.close().finally(() => this.#closed());
    closing.set(this.path, done);
    return done;
  }

  #closed(): void {
    closing.delete(this.path);
    inUse.delete(this.path);
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

export function dataFile(path: string): string {
  return join(path, 'data.mdb');
}

function isEmpty({ changes, values }: Tables): boolean {
  return changes.getKeysCount({ limit: 1 }) === 0 && values.getKeysCount({ limit: 1 }) === 0;
}

function decodeStats(stats: unknown): { pages: number; pageSize: number } {
  const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = stats as Record<string, number>;
  return {
    pages: (treeBranchPageCount ?? 0) + (treeLeafPageCount ?? 0) + (overflowPages ?? 0),
    pageSize: pageSize ?? 0,
  };
}

function isCommitFailure(error: unknown): error is { commitError: Promise<unknown> } {
  return error instanceof Error && 'commitError' in error && error.commitError instanceof Promise;
}

/** System errors of a full disk, a file size limit and a full quota. */
const noSpaceCodes: readonly unknown[] = [28, 27, 122, 'ENOSPC', 'EFBIG', 'EDQUOT'];
const inputOutputError = 5;
/** LMDB reports a write that was cut short as an input/output error: with less room than this it was the full disk. */
const fullBelowBytes = 4 * 2 ** 20;

function storageError(error: unknown, file: string, otherwise: 'CORRUPT' | 'UNAVAILABLE'): EtcdError {
  if (error instanceof EtcdError) return error;
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  if (noSpaceCodes.includes(code) || (code === inputOutputError && isDiskFull(file))) {
    return new EtcdError('NO_SPACE', `no space left for ${file}; free some, then write again`, { cause: error });
  }
  return new EtcdError(otherwise, `${file}: ${messageOf(error)}`, { cause: error });
}

function isDiskFull(file: string): boolean {
  const { bavail, bsize } = statfsSync(dirname(file));
  return bavail * bsize < fullBelowBytes;
}
