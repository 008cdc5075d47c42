import { noLease, type LeaseId, type Operation } from '#etcd/client';

interface Row {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: LeaseId;
}

/** What the store must do, said as plainly as possible: every revision keeps a whole copy of the contents. */
export class NaiveStore {
  revision = 1;
  /** etcd's beginning, which lets 0 be compacted, once. */
  compacted = -1;
  readonly #contents = new Map<number, Map<string, Row>>([[1, new Map()]]);
  readonly #events: [string, string, number][] = [];

  /** The revision after the operations. */
  run(operations: readonly Operation[]): number | 'DUPLICATE_KEY' {
    if (writesTwice(operations)) return 'DUPLICATE_KEY';
    const rows = new Map(this.#contents.get(this.revision));
    const main = this.revision + 1;
    const events: [string, string, number][] = [];
    for (const operation of operations) {
      if (operation.type === 'put') {
        const old = rows.get(operation.key);
        rows.set(operation.key, {
          key: operation.key,
          value: Buffer.from(operation.value).toString(),
          createRevision: old?.createRevision ?? main,
          modRevision: main,
          version: (old?.version ?? 0) + 1,
          lease: noLease,
        });
        events.push(['PUT', operation.key, main]);
      }
      if (operation.type === 'delete') {
        for (const key of [...rows.keys()].filter((candidate) => covers(operation, candidate)).sort()) {
          rows.delete(key);
          events.push(['DELETE', key, main]);
        }
      }
    }
    if (events.length === 0) return this.revision;
    this.revision = main;
    this.#contents.set(main, rows);
    this.#events.push(...events);
    return main;
  }

  contents(revision: number): Row[] {
    const rows = [...(this.#contents.get(revision)?.values() ?? [])];
    return rows.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  }

  /**
   * Events of `from` and later. Of the compacted revision itself only deletions and puts that still stood are kept, which is
   * all of them: a key changes once in a revision.
   */
  eventsFrom(from: number): [string, string, number][] {
    return this.#events.filter(([, , main]) => main >= from);
  }
}

function covers(operation: Operation & { type: 'delete' }, key: string): boolean {
  return operation.rangeEnd === undefined ? key === operation.key : key.startsWith(operation.key);
}

function writesTwice(operations: readonly Operation[]): boolean {
  const puts = operations.flatMap((operation) => (operation.type === 'put' ? [operation.key] : []));
  const isDeleted = (key: string): boolean =>
    operations.some((operation) => operation.type === 'delete' && covers(operation, key));
  return new Set(puts).size < puts.length || puts.some(isDeleted);
}
