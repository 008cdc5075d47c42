import { EtcdError, type Operation, type TxnRequest } from '../client.ts';
import { toByteString } from '../byte-string.ts';
import { inKeyRange, keyRange, type KeyRange } from './key-range.ts';

/** etcd's `--max-txn-ops` default. */
const maxOperations = 128;
/** Keys are not LMDB keys, so LMDB's limit does not apply; a key of this size can only be a mistake. */
const maxKeyBytes = 32 * 1024;

/**
 * What can be refused without looking at the store, as etcd's `v3rpc/key.go` (3.6) does: missing keys, too many
 * operations, and a key that would be written twice in one revision.
 */
export function checkTxn(request: TxnRequest): void {
  checkShape(request);
  collectWrites(request.success);
  collectWrites(request.failure);
}

function checkShape(request: TxnRequest): void {
  const { compare, success, failure } = request;
  if (Math.max(compare.length, success.length, failure.length) > maxOperations) {
    throw new EtcdError('INVALID_ARGUMENT', 'etcdserver: too many operations in txn request');
  }
  for (const item of compare) checkKey(item);
  for (const operation of [...success, ...failure]) {
    if (operation.type === 'txn') checkShape(operation);
    else checkKey(operation);
  }
}

/** Throws EtcdError INVALID_ARGUMENT for a key that no key-value can have. */
export function checkKey({ key, rangeEnd }: { readonly key: string; readonly rangeEnd?: string }): void {
  if (key === '' && rangeEnd === undefined) {
    throw new EtcdError('INVALID_ARGUMENT', 'etcdserver: key is not provided');
  }
  if (key.length > maxKeyBytes) throw new EtcdError('INVALID_ARGUMENT', 'etcdserver: key is too large');
}

interface Writes {
  readonly puts: Set<string>;
  readonly deletes: KeyRange[];
}

/**
 * The keys a list of operations may write. Throws EtcdError DUPLICATE_KEY when one would be written twice; the two branches
 * of a nested transaction may write the same key, since only one of them runs.
 */
function collectWrites(operations: readonly Operation[]): Writes {
  const puts = new Set<string>();
  const deletes = operations.flatMap((operation) => (operation.type === 'delete' ? [keyRange(operation)] : []));
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
