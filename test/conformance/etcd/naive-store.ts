import type {
  Compare,
  EtcdErrorCode,
  KeyValue,
  LeaseId,
  Operation,
  OperationResponse,
  RangeRequest,
  TxnRequest,
} from '#etcd/client';
import { noLease, revision } from '#etcd/client';

/** A key-value whose value is text. */
export type Row = Omit<KeyValue, 'value'> & { readonly value: string };
/** `PUT` or `DELETE`, key, revision, and the value a read before the revision finds. */
export type NaiveEvent = readonly [type: 'PUT' | 'DELETE', key: string, revision: number, previous: string | undefined];
type Rows = Map<string, Row>;
/** An answer with texts in place of bytes. */
export type Plain<T> = T extends Uint8Array
  ? string
  : T extends readonly (infer Item)[]
    ? Plain<Item>[]
    : T extends object
      ? { [Key in keyof T]: Plain<T[Key]> }
      : T;

export class Refusal extends Error {
  readonly code: EtcdErrorCode;
  /** Real etcd ends itself (a panic) instead of refusing. */
  readonly panics: boolean;
  constructor(code: EtcdErrorCode, panics = false) {
    super(code);
    this.code = code;
    this.panics = panics;
  }
}

/** What the store must do, said as plainly as possible: every revision keeps a whole copy of the contents. */
export class NaiveStore {
  revision: number;
  compacted: number;
  readonly leases = new Set<LeaseId>();
  readonly #contents: Map<number, Rows>;
  readonly #changes: { readonly type: 'PUT' | 'DELETE'; readonly row: Row }[] = [];

  /** Empty, at `revision`, with everything before `compacted` gone. */
  constructor(at = 1, compacted = -1) {
    this.revision = at;
    this.compacted = compacted;
    this.#contents = new Map([[at, new Map()]]);
  }

  /** Throws {@link Refusal}. */
  txn(request: TxnRequest): Plain<{ revision: number; succeeded: boolean; responses: readonly OperationResponse[] }> {
    for (const branch of [request.success, request.failure]) writesOf(branch);
    const path = this.#choose(request);
    const all = flat(path);
    for (const operation of all) if (operation.type === 'put') this.#checkPut(operation);
    for (const operation of all) if (operation.type === 'range') this.#checkRead(operation.revision ?? 0);
    const work = { rows: new Map(this.rowsAt(this.revision)), main: this.revision + 1, count: 0 };
    const known = this.#changes.length;
    let responses: Plain<OperationResponse>[];
    try {
      responses = this.#apply(path, work);
    } catch (error) {
      this.#changes.length = known;
      throw error;
    }
    if (work.count > 0) {
      this.revision = work.main;
      this.#contents.set(work.main, work.rows);
    }
    return { revision: this.revision, succeeded: path.succeeded, responses };
  }

  /** Throws {@link Refusal}. */
  range(request: RangeRequest): Plain<{ revision: number; kvs: Row[]; count: number; more: boolean }> {
    const at = request.revision ?? 0;
    if (at > 0) this.#checkRead(at);
    return { revision: this.revision, ...ranged(this.rowsAt(at > 0 ? at : this.revision), request) };
  }

  compact(at: number): void {
    if (at <= this.compacted) throw new Refusal('COMPACTED');
    if (at > this.revision) throw new Refusal('FUTURE_REVISION');
    this.compacted = at;
  }

  grant(id: LeaseId): void {
    if (this.leases.has(id)) throw new Refusal('LEASE_EXISTS');
    this.leases.add(id);
  }

  revoke(id: LeaseId): void {
    if (!this.leases.delete(id)) throw new Refusal('LEASE_NOT_FOUND');
    const held = sorted(this.rowsAt(this.revision)).filter((row) => row.lease === id);
    if (held.length === 0) return;
    this.txn({ compare: [], success: held.map(({ key }) => ({ type: 'delete', key })), failure: [] });
  }

  rowsAt(at: number): Rows {
    return this.#contents.get(at) ?? new Map<string, Row>();
  }

  /** Events of `from` and later, of keys in the range. */
  events(from: number, keys: { readonly key: string; readonly rangeEnd?: string }): NaiveEvent[] {
    return this.#changes
      .filter(({ row }) => row.modRevision >= from && covers(keys, row.key))
      .map(({ type, row }) => {
        const before = row.modRevision - 1 < this.compacted ? undefined : this.rowsAt(row.modRevision - 1).get(row.key);
        const created = type === 'PUT' && row.createRevision === row.modRevision;
        return [type, row.key, row.modRevision, created ? undefined : before?.value];
      });
  }

  #choose(request: TxnRequest): Path {
    const succeeded = request.compare.every((compare) => holds(this.rowsAt(this.revision), compare));
    const operations = succeeded ? request.success : request.failure;
    return {
      succeeded,
      steps: operations.map((operation) => (operation.type === 'txn' ? this.#choose(operation) : operation)),
    };
  }

  #checkPut({ key, lease, ignoreLease, ignoreValue }: Extract<Operation, { type: 'put' }>): void {
    if ((ignoreLease || ignoreValue) && !this.rowsAt(this.revision).has(key)) throw new Refusal('INVALID_ARGUMENT');
    if (lease && !this.leases.has(lease)) throw new Refusal('LEASE_NOT_FOUND');
  }

  #checkRead(at: number): void {
    if (at > this.revision) throw new Refusal('FUTURE_REVISION');
    if (at !== 0 && at < this.compacted) throw new Refusal('COMPACTED');
  }

  #apply(path: Path, work: Work): Plain<OperationResponse>[] {
    return path.steps.map((step): Plain<OperationResponse> => {
      const seen = (): number => (work.count > 0 ? work.main : work.main - 1);
      if ('steps' in step) {
        const responses = this.#apply(step, work);
        return { type: 'txn', revision: revision(seen()), succeeded: step.succeeded, responses };
      }
      if (step.type === 'range') {
        const rows = step.revision ? this.rowsAt(step.revision) : work.rows;
        return { type: 'range', revision: revision(seen()), ...ranged(rows, step) };
      }
      if (step.type === 'put') return this.#put(step, work);
      const gone = step.type === 'delete' ? sorted(work.rows).filter((row) => covers(step, row.key)) : [];
      for (const { key } of gone) this.#delete(key, work);
      const prevKvs = step.type === 'delete' && step.prevKv ? gone : [];
      return { type: 'delete', revision: revision(seen()), deleted: gone.length, prevKvs };
    });
  }

  #put(operation: Extract<Operation, { type: 'put' }>, work: Work): Plain<OperationResponse> {
    const old = work.rows.get(operation.key);
    // It was there before the transaction, which then deleted it by a deletion without end.
    if ((operation.ignoreLease || operation.ignoreValue) && !old) throw new Refusal('INVALID_ARGUMENT', true);
    const row: Row = {
      key: operation.key,
      value: operation.ignoreValue ? (old?.value ?? '') : Buffer.from(operation.value).toString(),
      createRevision: old?.createRevision ?? revision(work.main),
      modRevision: revision(work.main),
      version: (old?.version ?? 0) + 1,
      lease: operation.ignoreLease ? (old?.lease ?? noLease) : (operation.lease ?? noLease),
    };
    work.rows.set(operation.key, row);
    work.count++;
    this.#changes.push({ type: 'PUT', row });
    const response = { type: 'put' as const, revision: revision(work.main) };
    return operation.prevKv && old ? { ...response, prevKv: old } : response;
  }

  #delete(key: string, work: Work): void {
    work.rows.delete(key);
    work.count++;
    const none = revision(0);
    const row = { key, value: '', createRevision: none, modRevision: revision(work.main), version: 0, lease: noLease };
    this.#changes.push({ type: 'DELETE', row });
  }
}

interface Work {
  readonly rows: Rows;
  readonly main: number;
  /** Changes so far. */
  count: number;
}

interface Path {
  readonly succeeded: boolean;
  readonly steps: readonly (Path | Operation)[];
}

function flat(path: Path): Operation[] {
  return path.steps.flatMap((step) => ('steps' in step ? flat(step) : [step]));
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function sorted(rows: Rows): Row[] {
  return [...rows.values()].sort((a, b) => byBytes(a.key, b.key));
}

export function covers(range: { readonly key: string; readonly rangeEnd?: string }, key: string): boolean {
  if (range.rangeEnd === undefined) return key === range.key;
  return byBytes(key, range.key) >= 0 && (range.rangeEnd === '\0' || byBytes(key, range.rangeEnd) < 0);
}

function holds(rows: Rows, compare: Compare): boolean {
  const found = sorted(rows).filter((row) => covers(compare, row.key));
  if (found.length === 0) return compare.target !== 'value' && compared(compare, undefined);
  return found.every((row) => compared(compare, row));
}

function compared(compare: Compare, row: Row | undefined): boolean {
  const order = ((): number => {
    switch (compare.target) {
      case 'mod':
        return (row?.modRevision ?? 0) - compare.modRevision;
      case 'create':
        return (row?.createRevision ?? 0) - compare.createRevision;
      case 'version':
        return (row?.version ?? 0) - compare.version;
      case 'lease':
        return Number((row?.lease ?? noLease) - compare.lease);
      case 'value':
        return Buffer.compare(Buffer.from(row?.value ?? ''), compare.value);
    }
  })();
  return { '=': order === 0, '!=': order !== 0, '<': order < 0, '>': order > 0 }[compare.result];
}

function ranged(rows: Rows, request: RangeRequest): { kvs: Row[]; count: number; more: boolean } {
  const found = sorted(rows).filter((row) => covers(request, row.key));
  if (request.countOnly) return { kvs: [], count: found.length, more: false };
  const { minModRevision = 0, maxModRevision = 0, minCreateRevision = 0, maxCreateRevision = 0, limit = 0 } = request;
  const kept = found.filter(
    (row) =>
      row.modRevision >= minModRevision &&
      row.modRevision <= (maxModRevision || Infinity) &&
      row.createRevision >= minCreateRevision &&
      row.createRevision <= (maxCreateRevision || Infinity),
  );
  const { sort } = request;
  if (sort) {
    const sign = sort.order === 'descend' ? -1 : 1;
    const field = {
      key: 'key',
      value: 'value',
      version: 'version',
      create: 'createRevision',
      mod: 'modRevision',
    } as const;
    const of = (row: Row): string | number => row[field[sort.target]];
    kept.sort((a, b) => {
      const [left, right] = [of(a), of(b)];
      const order = typeof left === 'number' ? left - Number(right) : byBytes(left, String(right));
      return sign * order;
    });
  }
  const kvs = (limit > 0 ? kept.slice(0, limit) : kept).map((row) => (request.keysOnly ? { ...row, value: '' } : row));
  return { kvs, count: found.length, more: kvs.length < kept.length };
}

/** The puts and deletions of a branch. Throws {@link Refusal} when a key would be written twice. */
function writesOf(operations: readonly Operation[]): { puts: string[]; deletes: (Operation & { type: 'delete' })[] } {
  // A deletion without end is not seen.
  const deletes = operations.filter((one) => one.type === 'delete').filter((one) => one.rangeEnd !== '\0');
  const puts: string[] = [];
  const add = (keys: readonly string[], known: readonly string[]): void => {
    const isTwice = keys.some((key) => known.includes(key) || deletes.some((one) => covers(one, key)));
    if (isTwice) throw new Refusal('DUPLICATE_KEY');
  };
  for (const operation of operations) {
    if (operation.type !== 'txn') continue;
    const [then, otherwise] = [writesOf(operation.success), writesOf(operation.failure)];
    const both = [...then.puts, ...otherwise.puts];
    add(both, puts);
    puts.push(...both);
    deletes.push(...then.deletes, ...otherwise.deletes);
  }
  for (const operation of operations) {
    if (operation.type !== 'put') continue;
    add([operation.key], puts);
    puts.push(operation.key);
  }
  return { puts, deletes };
}
