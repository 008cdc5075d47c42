import {
  EtcdError,
  noLease,
  revision,
  type Compare,
  type KeyValue,
  type Operation,
  type OperationResponse,
  type RangeRequest,
  type RangeResponse,
  type TxnRequest,
  type TxnResponse,
} from '../client.ts';
import { decodeKey, encodeKey } from '../byte-string.ts';
import type { CompareMessage, Int64, PutMessage, RangeMessage, RequestOpMessage, TxnMessage } from './messages.ts';

/** Throws EtcdError INVALID_ARGUMENT beyond 2^53, which nothing in the store reaches. */
export function toNumber(value: Int64): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw invalid(`etcdserver: number out of range: ${value}`);
  return number;
}

export function invalid(message: string): EtcdError {
  return new EtcdError('INVALID_ARGUMENT', message);
}

/** A key without range end is one key. etcd takes the empty key for missing. */
export function toKeys(target: { readonly key: Uint8Array; readonly range_end?: Uint8Array }): {
  key: string;
  rangeEnd?: string;
} {
  if (target.key.length === 0) throw invalid('etcdserver: key is not provided');
  const key = decodeKey(target.key);
  const end = target.range_end;
  return end && end.length > 0 ? { key, rangeEnd: decodeKey(end) } : { key };
}

const sortOrders = ['none', 'ascend', 'descend'] as const;
const sortTargets = ['key', 'version', 'create', 'mod', 'value'] as const;

export function toRange(message: RangeMessage): RangeRequest {
  const sort = toSort(message);
  return {
    ...toKeys(message),
    revision: revision(toNumber(message.revision)),
    limit: Math.max(0, toNumber(message.limit)),
    ...(sort ? { sort } : {}),
    minModRevision: revision(toNumber(message.min_mod_revision)),
    maxModRevision: revision(toNumber(message.max_mod_revision)),
    minCreateRevision: revision(toNumber(message.min_create_revision)),
    maxCreateRevision: revision(toNumber(message.max_create_revision)),
    serializable: message.serializable,
    keysOnly: message.keys_only,
    countOnly: message.count_only,
  };
}

function toSort({ sort_order, sort_target }: RangeMessage): RangeRequest['sort'] {
  if (sort_order === 0 && sort_target === 0) return undefined;
  const order = sortOrders[sort_order];
  const target = sortTargets[sort_target];
  if (!order || !target) throw invalid('etcdserver: invalid sort option');
  return { order, target };
}

/** The wire's RangeResponse, without header. */
function fromRange(response: RangeResponse): object {
  return { kvs: response.kvs.map(fromKeyValue), more: response.more, count: response.count };
}

export function toPut(message: PutMessage): Extract<Operation, { type: 'put' }> {
  if (message.key.length === 0) throw invalid('etcdserver: key is not provided');
  return {
    type: 'put',
    key: decodeKey(message.key),
    value: message.value,
    lease: BigInt(message.lease),
    prevKv: message.prev_kv,
    ignoreValue: message.ignore_value,
    ignoreLease: message.ignore_lease,
  };
}

export function toTxn(message: TxnMessage): TxnRequest {
  return {
    compare: message.compare.map(toCompare),
    success: message.success.map(toOperation),
    failure: message.failure.map(toOperation),
  };
}

function toOperation(message: RequestOpMessage): Operation {
  if (message.request_range) return { type: 'range', ...toRange(message.request_range) };
  if (message.request_put) return toPut(message.request_put);
  if (message.request_delete_range) {
    return { type: 'delete', ...toKeys(message.request_delete_range), prevKv: message.request_delete_range.prev_kv };
  }
  if (message.request_txn) return { type: 'txn', ...toTxn(message.request_txn) };
  // etcd's answer to an operation that is none.
  throw invalid('etcdserver: key not found');
}

function toCompare(message: CompareMessage): Compare {
  const result = (['=', '>', '<', '!='] as const)[message.result];
  if (result === undefined) throw invalid(`unknown comparison ${message.result}`);
  const common = { ...toKeys(message), result };
  switch (message.target) {
    case 0:
      return { ...common, target: 'version', version: toNumber(message.version ?? '0') };
    case 1:
      return { ...common, target: 'create', createRevision: revision(toNumber(message.create_revision ?? '0')) };
    case 2:
      return { ...common, target: 'mod', modRevision: revision(toNumber(message.mod_revision ?? '0')) };
    case 3:
      return { ...common, target: 'value', value: message.value ?? new Uint8Array(0) };
    case 4:
      return { ...common, target: 'lease', lease: message.lease === undefined ? noLease : BigInt(message.lease) };
    default:
      throw invalid(`unknown compare target ${message.target}`);
  }
}

/** The wire's TxnResponse, without header. */
export function fromTxn(response: TxnResponse): object {
  return { succeeded: response.succeeded, responses: response.responses.map(fromOperation) };
}

/** etcd's headers inside of a transaction tell the revision alone, and that of a nested one nothing. */
function fromOperation(response: OperationResponse): object {
  if (response.type === 'txn') return { response_txn: { header: {}, ...fromTxn(response) } };
  const header = { revision: response.revision };
  switch (response.type) {
    case 'range':
      return { response_range: { header, ...fromRange(response) } };
    case 'put':
      return { response_put: { header, ...fromPrevious(response.prevKv) } };
    case 'delete':
      return { response_delete_range: { header, ...fromDelete(response) } };
  }
}

export function fromDelete(response: Extract<OperationResponse, { type: 'delete' }>): object {
  return { deleted: response.deleted, prev_kvs: response.prevKvs.map(fromKeyValue) };
}

function fromPrevious(prevKv: KeyValue | undefined): object {
  return prevKv ? { prev_kv: fromKeyValue(prevKv) } : {};
}

export function fromKeyValue(kv: KeyValue): object {
  return {
    key: encodeKey(kv.key),
    create_revision: kv.createRevision,
    mod_revision: kv.modRevision,
    version: kv.version,
    value: kv.value,
    lease: String(kv.lease),
  };
}
