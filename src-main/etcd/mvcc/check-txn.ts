import { EtcdError, noLease, type Operation, type TxnRequest } from '../client.ts';
import { toByteString } from '../byte-string.ts';
import { inKeyRange, keyRange, type KeyRange } from './key-range.ts';

/** etcd's `--max-txn-ops` default. */
const maxOperations = 128;
/** What a message has beside keys and values, roughly: field numbers, lengths and the request's own header. */
const overheadBytes = 16;

export interface TxnLimits {
  /** etcd's `--max-request-bytes`. */
  readonly requestBytes: number;
}

/**
 * What can be refused without looking at the store, as etcd's `v3rpc/key.go` (3.6) does: missing keys, too many
 * operations, a key that would be written twice in one revision; and then a request that is too large.
 */
export function checkTxn(request: TxnRequest, limits: TxnLimits): void {
  checkShape(request, maxOperations);
  collectWrites(request.success);
  collectWrites(request.failure);
  const bytes = bytesOf(request);
  if (bytes.writes && bytes.size > limits.requestBytes) throw invalid('request is too large');
}

/** The operations of a nested transaction are counted on top of those around it. */
function checkShape(request: TxnRequest, allowed: number): void {
  const { compare, success, failure } = request;
  const count = Math.max(compare.length, success.length, failure.length);
  if (count > allowed) throw invalid('too many operations in txn request');
  for (const item of compare) checkKey(item);
  for (const operation of [...success, ...failure]) {
    if (operation.type === 'txn') checkShape(operation, allowed - count);
    else checkKey(operation);
    if (operation.type === 'put') checkPut(operation);
  }
}

/** Throws EtcdError INVALID_ARGUMENT for a key that no key-value can have. */
export function checkKey({ key }: { readonly key: string }): void {
  if (key === '') throw invalid('key is not provided');
}

function checkPut({ value, lease = noLease, ignoreValue, ignoreLease }: Extract<Operation, { type: 'put' }>): void {
  if (ignoreValue && value.length > 0) throw invalid('value is provided');
  if (ignoreLease && lease !== noLease) throw invalid('lease is provided');
}

interface Writes {
  readonly puts: Set<string>;
  readonly deletes: KeyRange[];
}

/**
 * The keys a list of operations may write. Throws EtcdError DUPLICATE_KEY when one would be written twice; the two branches
 * of a nested transaction may write the same key, since only one of them runs. As in etcd, a deletion without end is not
 * seen: `del --from-key` may stand beside puts, and the key then changes twice in one revision, in the order of the operations.
 */
function collectWrites(operations: readonly Operation[]): Writes {
  const puts = new Set<string>();
  const deletes: KeyRange[] = [];
  for (const operation of operations) {
    if (operation.type !== 'delete') continue;
    const range = keyRange(operation);
    if (range.end !== undefined) deletes.push(range);
  }
  const addPut = (key: string, mayRepeat?: ReadonlySet<string>): void => {
    const repeated = puts.has(key) && mayRepeat?.has(key) !== true;
    if (repeated || deletes.some((range) => inKeyRange(range, key))) {
      throw new EtcdError('DUPLICATE_KEY', 'etcdserver: duplicate key given in txn request');
    }
    puts.add(key);
  };
  for (const operation of operations) {
    if (operation.type !== 'txn') continue;
    const success = collectWrites(operation.success);
    const failure = collectWrites(operation.failure);
    for (const key of success.puts) addPut(key);
    for (const key of failure.puts) addPut(key, success.puts);
    deletes.push(...success.deletes, ...failure.deletes);
  }
  for (const operation of operations) if (operation.type === 'put') addPut(toByteString(operation.key));
  return { puts, deletes };
}

/** The size of a request as a message, nearly, and whether it may write: etcd lets reads of any size through. */
function bytesOf(request: TxnRequest): { size: number; writes: boolean } {
  let size = 0;
  let writes = false;
  for (const compare of request.compare) {
    size += overheadBytes + compare.key.length + (compare.target === 'value' ? compare.value.length : 0);
  }
  for (const operation of [...request.success, ...request.failure]) {
    if (operation.type === 'txn') {
      const inner = bytesOf(operation);
      size += inner.size;
      writes ||= inner.writes;
      continue;
    }
    size += overheadBytes + operation.key.length + (operation.type === 'put' ? operation.value.length : 0);
    writes ||= operation.type !== 'range';
  }
  return { size, writes };
}

function invalid(text: string): EtcdError {
  return new EtcdError('INVALID_ARGUMENT', `etcdserver: ${text}`);
}
