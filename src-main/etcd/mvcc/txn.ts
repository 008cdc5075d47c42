import {
  EtcdError,
  noLease,
  revision,
  type Compare,
  type KeyValue,
  type LeaseId,
  type Operation,
  type OperationResponse,
  type TxnRequest,
  type TxnResponse,
} from '../client.ts';
import { toByteString, type ByteString } from '../byte-string.ts';
import type { Change, Commit } from './change.ts';
import { changesPerRevision, mainOf, type KeyEntry } from './key-index.ts';
import { keyRange } from './key-range.ts';
import type { LeaseKeys, MvccStore } from './store.ts';

/** Which branch a transaction takes, and its nested ones in the order they stand there. */
interface Path {
  readonly succeeded: boolean;
  readonly operations: readonly Operation[];
  readonly nested: readonly Path[];
}

type Put = Extract<Operation, { type: 'put' }>;

/** In the order in which they are carried out, without the transactions around them. */
function* operationsOf(path: Path): Generator<Operation, void> {
  const nested = path.nested[Symbol.iterator]();
  for (const operation of path.operations) {
    const inner = operation.type === 'txn' ? nested.next() : undefined;
    if (!inner) yield operation;
    else if (!inner.done) yield* operationsOf(inner.value);
  }
}

/**
 * Carries a checked transaction out in memory, on the tentative state. As in etcd's `server/etcdserver/txn` (3.6): all
 * compares, nested ones too, see the state before the first write; what could fail on the way is looked for before it.
 */
export class TxnExecution {
  readonly #store: MvccStore;
  readonly #leases: LeaseKeys;
  readonly #main: number;
  readonly #changes: Change[] = [];

  private constructor(store: MvccStore, leases: LeaseKeys) {
    this.#store = store;
    this.#leases = leases;
    this.#main = store.tentativeRevision + 1;
  }

  /** `commit` is undefined when nothing was written. Throws EtcdError, with nothing changed. */
  static run(
    store: MvccStore,
    leases: LeaseKeys,
    request: TxnRequest,
  ): { response: TxnResponse; commit: Commit | undefined } {
    const execution = new TxnExecution(store, leases);
    const path = execution.#choose(request);
    execution.#check(path);
    let response: TxnResponse;
    try {
      response = execution.#apply(path);
    } catch (error) {
      for (const change of execution.#changes.reverse()) store.undo(change);
      throw error;
    }
    if (execution.#changes.length === 0) return { response, commit: undefined };
    store.advance(execution.#main);
    const commit = { revision: execution.#main, changes: execution.#changes, record: request.record };
    return { response, commit };
  }

  /** Deletes keys that hang on an ended lease, in one revision. Undefined when there are none. */
  static deleteKeys(store: MvccStore, leases: LeaseKeys, keys: readonly ByteString[]): Commit | undefined {
    const execution = new TxnExecution(store, leases);
    for (const key of keys) {
      const entry = store.index.get(key);
      if (entry) execution.#changes.push(store.delete(entry, execution.#main, execution.#changes.length));
    }
    if (execution.#changes.length === 0) return undefined;
    store.advance(execution.#main);
    return { revision: execution.#main, changes: execution.#changes, record: undefined };
  }

  #choose(request: TxnRequest): Path {
    const succeeded = request.compare.every((compare) => this.#holds(compare));
    const operations = succeeded ? request.success : request.failure;
    const nested = operations.flatMap((operation) => (operation.type === 'txn' ? [this.#choose(operation)] : []));
    return { succeeded, operations, nested };
  }

  #holds(compare: Compare): boolean {
    const entries = this.#store.live(keyRange(compare));
    if (entries.length === 0) return compare.target !== 'value' && holds(compare, undefined);
    return entries.every((entry) =>
      holds(compare, compare.target === 'value' ? this.#store.newest(entry) : stateOf(entry)),
    );
  }

  /** All puts first, then all ranges, which decides between two errors. */
  #check(path: Path): void {
    for (const operation of operationsOf(path)) {
      if (operation.type === 'put') this.#checkPut(operation);
    }
    for (const operation of operationsOf(path)) {
      if (operation.type === 'range') this.#store.checkReadable(operation.revision, this.#main - 1);
    }
  }

  #checkPut({ key, lease, ignoreValue, ignoreLease }: Put): void {
    const keeps = ignoreValue === true || ignoreLease === true;
    if (keeps && !this.#store.index.get(toByteString(key))?.version) throw keyNotFound();
    if (lease && !this.#leases.has(lease)) throw leaseNotFound();
  }

  #apply(path: Path): TxnResponse {
    const nested = path.nested[Symbol.iterator]();
    const responses = path.operations.map((operation): OperationResponse => {
      switch (operation.type) {
        case 'put':
          return this.#put(operation);
        case 'delete':
          return this.#delete(operation);
        case 'range': {
          const at = operation.revision && operation.revision > 0 ? operation.revision : this.#revision();
          return { type: 'range', ...this.#store.rangeNow(operation, at), revision: revision(this.#revision()) };
        }
        case 'txn': {
          const next = nested.next();
          return { type: 'txn', ...this.#apply(next.done ? path : next.value) };
        }
      }
    });
    return { revision: revision(this.#revision()), succeeded: path.succeeded, responses };
  }

  #put(operation: Put): OperationResponse {
    const key = toByteString(operation.key);
    const { ignoreValue = false, ignoreLease = false, prevKv = false } = operation;
    const isNeeded = prevKv || ignoreValue || ignoreLease;
    const previous = isNeeded ? this.#store.newest(this.#store.index.get(key)) : undefined;
    // It was there before the transaction, which then deleted it by a range without end: see check-txn.ts.
    if ((ignoreValue || ignoreLease) && !previous) throw keyNotFound();
    const value = ignoreValue && previous ? previous.value : operation.value;
    const lease = ignoreLease && previous ? previous.lease : (operation.lease ?? noLease);
    this.#changes.push(this.#store.put(key, value, lease, this.#main, this.#changes.length));
    const response = { type: 'put' as const, revision: revision(this.#main) };
    return prevKv && previous ? { ...response, prevKv: previous } : response;
  }

  #delete(operation: Extract<Operation, { type: 'delete' }>): OperationResponse {
    const entries = this.#store.live(keyRange(operation));
    if (this.#changes.length + entries.length >= changesPerRevision) {
      throw new EtcdError('INVALID_ARGUMENT', `one transaction can delete ${changesPerRevision - 1} keys at most`);
    }
    const prevKvs: KeyValue[] = [];
    for (const entry of entries) {
      const prevKv = operation.prevKv ? this.#store.newest(entry) : undefined;
      if (prevKv) prevKvs.push(prevKv);
      this.#changes.push(this.#store.delete(entry, this.#main, this.#changes.length));
    }
    return { type: 'delete', revision: revision(this.#revision()), deleted: entries.length, prevKvs };
  }

  /** The revision a read sees at this point of the transaction. */
  #revision(): number {
    return this.#changes.length > 0 ? this.#main : this.#main - 1;
  }
}

type Compared = Omit<KeyValue, 'key' | 'value'> & { readonly value?: Uint8Array };

/** What all targets but the value need: the index has it, no value is read. */
function stateOf(entry: KeyEntry): Compared {
  const { createRevision, version, lease, ids } = entry;
  return {
    createRevision: revision(createRevision),
    modRevision: revision(mainOf(ids[ids.length - 1] ?? 0)),
    version,
    lease,
  };
}

/** A missing key compares as zero. */
function holds(compare: Compare, kv: Compared | undefined): boolean {
  const order = ((): number => {
    switch (compare.target) {
      case 'mod':
        return (kv?.modRevision ?? 0) - compare.modRevision;
      case 'create':
        return (kv?.createRevision ?? 0) - compare.createRevision;
      case 'version':
        return (kv?.version ?? 0) - compare.version;
      case 'lease':
        return orderOf(kv?.lease ?? noLease, compare.lease);
      case 'value':
        return Buffer.compare(kv?.value ?? new Uint8Array(0), compare.value);
    }
  })();
  switch (compare.result) {
    case '=':
      return order === 0;
    case '!=':
      return order !== 0;
    case '>':
      return order > 0;
    case '<':
      return order < 0;
  }
}

function orderOf(a: LeaseId, b: LeaseId): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function keyNotFound(): EtcdError {
  return new EtcdError('INVALID_ARGUMENT', 'etcdserver: key not found');
}

export function leaseNotFound(): EtcdError {
  return new EtcdError('LEASE_NOT_FOUND', 'etcdserver: requested lease not found');
}
