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
  type StoreEvent,
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

/** Sorting and filtering are done on the answer by {@link fromRange}: then everything is read. */
export function toRange(message: RangeMessage): RangeRequest {
  const shaped = isShaped(message);
  return {
    ...toKeys(message),
    revision: revision(toNumber(message.revision)),
    limit: shaped ? 0 : Math.max(0, toNumber(message.limit)),
    keysOnly: message.keys_only && !shaped,
    countOnly: message.count_only,
  };
}

function isShaped(message: RangeMessage): boolean {
  const { min_mod_revision, max_mod_revision, min_create_revision, max_create_revision } = message;
  const bounds = [min_mod_revision, max_mod_revision, min_create_revision, max_create_revision];
  return message.sort_order !== 0 || message.sort_target !== 0 || bounds.some((bound) => bound !== '0');
}

/** The wire's RangeResponse, without header. */
export function fromRange(message: RangeMessage, response: RangeResponse): object {
  if (!isShaped(message)) {
    return { kvs: response.kvs.map(fromKeyValue), more: response.more, count: response.count };
  }
  const kvs = response.kvs.filter((kv) => isWithin(message, kv));
  if (message.sort_order !== 0 || message.sort_target !== 0) {
    const sign = message.sort_order === 2 ? -1 : 1;
    kvs.sort((a, b) => sign * compareBy(message.sort_target, a, b));
  }
  const limit = toNumber(message.limit);
  const shown = limit > 0 ? kvs.slice(0, limit) : kvs;
  const emptied = message.keys_only ? shown.map((kv) => ({ ...kv, value: new Uint8Array(0) })) : shown;
  return { kvs: emptied.map(fromKeyValue), more: shown.length < kvs.length, count: response.count };
}

function isWithin(message: RangeMessage, kv: KeyValue): boolean {
  const inBounds = (value: number, min: Int64, max: Int64): boolean =>
    value >= toNumber(min) && (max === '0' || value <= toNumber(max));
  return (
    inBounds(kv.modRevision, message.min_mod_revision, message.max_mod_revision) &&
    inBounds(kv.createRevision, message.min_create_revision, message.max_create_revision)
  );
}

function compareBy(target: number, a: KeyValue, b: KeyValue): number {
  switch (target) {
    case 1:
      return a.version - b.version;
    case 2:
      return a.createRevision - b.createRevision;
    case 3:
      return a.modRevision - b.modRevision;
    case 4:
      return Buffer.compare(a.value, b.value);
    default:
      return Buffer.compare(encodeKey(a.key), encodeKey(b.key));
  }
}

export function toPut(message: PutMessage): Extract<Operation, { type: 'put' }> {
  if (message.key.length === 0) throw invalid('etcdserver: key is not provided');
  const lease = BigInt(message.lease);
  return { type: 'put', key: decodeKey(message.key), value: message.value, lease, prevKv: message.prev_kv };
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
  if (message.request_put) {
    if (message.request_put.ignore_value || message.request_put.ignore_lease) {
      throw invalid('ignore_value and ignore_lease are served outside of transactions only');
    }
    return toPut(message.request_put);
  }
  if (message.request_delete_range) {
    return { type: 'delete', ...toKeys(message.request_delete_range), prevKv: message.request_delete_range.prev_kv };
  }
  if (message.request_txn) return { type: 'txn', ...toTxn(message.request_txn) };
  throw invalid('etcdserver: key is not provided');
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

/** The wire's TxnResponse, without header. `message` says how its ranges are to be sorted. */
export function fromTxn(message: TxnMessage, response: TxnResponse): object {
  const requests = response.succeeded ? message.success : message.failure;
  const responses = response.responses.map((item, i) => fromOperation(requests[i] ?? {}, item));
  return { succeeded: response.succeeded, responses };
}

function fromOperation(request: RequestOpMessage, response: OperationResponse): object {
  switch (response.type) {
    case 'range': {
      const header = { revision: response.revision };
      const range = request.request_range;
      return { response_range: { header, ...(range ? fromRange(range, response) : {}) } };
    }
    case 'put':
      return { response_put: { header: {}, ...fromPrevious(response.prevKv) } };
    case 'delete':
      return { response_delete_range: { header: {}, ...fromDelete(response) } };
    case 'txn': {
      const nested = request.request_txn ? fromTxn(request.request_txn, response) : {};
      return { response_txn: { header: {}, ...nested } };
    }
  }
}

export function fromDelete(response: Extract<OperationResponse, { type: 'delete' }>): object {
  return { deleted: response.deleted, prev_kvs: response.prevKvs.map(fromKeyValue) };
}

export function fromPrevious(prevKv: KeyValue | undefined): object {
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

export function fromEvent(event: StoreEvent): object {
  return { type: event.type === 'PUT' ? 0 : 1, kv: fromKeyValue(event.kv), ...fromPrevious(event.prevKv) };
}
