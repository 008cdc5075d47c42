import type { Database } from 'lmdb';

/** Keys and values of the data file's tables. */
export interface Rows {
  /** `format`, and `compacted`: the revision a compaction was asked for. */
  readonly meta: { readonly key: string; readonly value: string };
  /** By change id: see codec.ts. */
  readonly values: { readonly key: number; readonly value: Buffer };
  /** By main revision: see codec.ts. */
  readonly changes: { readonly key: number; readonly value: Buffer };
  /** By main revision: text kept beside it. */
  readonly records: { readonly key: number; readonly value: string };
  /** By lease (`leaseKey` in codec.ts): its granted time to live in seconds. */
  readonly leases: { readonly key: number | string; readonly value: string };
}

/** For reading; what is written goes through a {@link WriteBatch}. */
export type Tables = { readonly [Name in keyof Rows]: Database<Rows[Name]['value'], Rows[Name]['key']> };

/** What may be done inside `Backend.commit`. The bytes must not change until it is on disk. */
export class WriteBatch {
  readonly #tables: Tables;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  // Inside a batch, lmdb's promises of single writes tell nothing: the batch has its own.
  put<Name extends keyof Rows>(table: Name, key: Rows[Name]['key'], value: Rows[Name]['value']): void {
    void this.#tables[table].put(key, value);
  }

  remove<Name extends keyof Rows>(table: Name, key: Rows[Name]['key']): void {
    void this.#tables[table].remove(key);
  }
}
