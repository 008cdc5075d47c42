import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import type { Tables } from './write-batch.ts';

/** Every table of the data file. A file with others is not ours. */
export const tableNames = ['meta', 'values', 'changes', 'records', 'leases'] as const;

/**
 * `overlappingSync` off: a commit is reported after its sync. `eventTurnBatching` off: every transaction is an explicit
 * batch, and lmdb makes no hidden promise that would reject unheard when the disk is full.
 */
const settings = {
  noSubdir: false,
  overlappingSync: false,
  eventTurnBatching: false,
  maxDbs: 8,
  encoding: 'binary',
} as const;

/** An open LMDB file and its tables. */
export interface Environment {
  readonly root: RootDatabase;
  readonly tables: Tables;
}

/** Opens `data.mdb` in the folder `path`, making both when they are missing. Throws what LMDB throws. */
export function openEnvironment(path: string): Environment {
  const root = open({ path, ...settings });
  const tables: Tables = {
    meta: root.openDB('meta', { encoding: 'string' }),
    values: root.openDB('values', { encoding: 'binary' }),
    changes: root.openDB('changes', { encoding: 'binary' }),
    records: root.openDB('records', { encoding: 'string' }),
    leases: root.openDB('leases', { encoding: 'string' }),
  };
  return { root, tables };
}

export function dataFile(path: string): string {
  return join(path, 'data.mdb');
}

/** Bytes of the pages that hold something. */
export function bytesInUse({ root, tables }: Environment): number {
  let bytes = 0;
  for (const table of [root, ...Object.values(tables)]) {
    const { pageSize, treeBranchPageCount, treeLeafPageCount, overflowPages } = table.getStats() as Record<
      string,
      number
    >;
    bytes += ((treeBranchPageCount ?? 0) + (treeLeafPageCount ?? 0) + (overflowPages ?? 0)) * (pageSize ?? 0);
  }
  return bytes;
}
