import {
  EtcdError,
  revision,
  type Compare,
  type KeyValue,
  type LeaseId,
  type Operation,
  type OperationResponse,
  type RangeRequest,
  type RangeResponse,
  type Revision,
  type StoreEvent,
  type TxnRequest,
  type TxnResponse,
  type WatchResponse,
} from '../client.ts';
import { decodeKey, encodeKey } from '../byte-string.ts';
import type {
  HeaderMessage,
  Int64,
  KeyValueMessage,
  RangeAnswer,
  ResponseOpMessage,
  TxnAnswer,
  WatchAnswer,
} from './methods.ts';

/** Where a transaction's record is kept on a store that keeps none beside its revisions. */
export const recordKey = '/drydock.io/record';

const sortOrders = { none: 0, ascend: 1, descend: 2 } as const;
const sortTargets = { key: 0, version: 1, create: 2, mod: 3, value: 4 } as const;
const results = { '=': 0, '>': 1, '<': 2, '!=': 3 } as const;

function fromKeys({ key, rangeEnd }: { readonly key: string; readonly rangeEnd?: string }): object {
  return { key: encodeKey(key), ...(rangeEnd === undefined ? {} : { range_end: encodeKey(rangeEnd) }) };
}

export function fromRange(request: RangeRequest): object {
  const { sort } = request;
  return {
    ...fromKeys(request),
    limit: request.limit ?? 0,
    revision: request.revision ?? 0,
    ...(sort ? { sort_order: sortOrders[sort.order], sort_target: sortTargets[sort.target] } : {}),
    serializable: request.serializable === true,
    keys_only: request.keysOnly === true,
    count_only: request.countOnly === true,
    min_mod_revision: request.minModRevision ?? 0,
    max_mod_revision: request.maxModRevision ?? 0,
    min_create_revision: request.minCreateRevision ?? 0,
    max_create_revision: request.maxCreateRevision ?? 0,
  };
}

/** With `record`, every branch that writes puts it as well: see {@link recordKey}. */
export function fromTxn(request: TxnRequest): object {
  return {
    compare: request.compare.map(fromCompare),
    success: fromBranch(request.success, request.record),
    failure: fromBranch(request.failure, request.record),
  };
}

function fromBranch(operations: readonly Operation[], record: string | undefined): object[] {
  const messages = operations.map(fromOperation);
  if (record !== undefined && operations.some(writes))
    messages.push({ request_put: { key: encodeKey(recordKey), value: Buffer.from(record) } });
  return messages;
}

export function writes(operation: Operation): boolean {
  if (operation.type === 'range') return false;
  if (operation.type === 'txn') return operation.success.some(writes) || operation.failure.some(writes);
  return true;
}

function fromOperation(operation: Operation): object {
  switch (operation.type) {
    case 'range':
      return { request_range: fromRange(operation) };
    case 'delete':
      return { request_delete_range: { ...fromKeys(operation), prev_kv: operation.prevKv === true } };
    case 'txn':
      return { request_txn: fromTxn(operation) };
    case 'put':
      return {
        request_put: {
          key: encodeKey(operation.key),
          value: operation.value,
          lease: fromLease(operation.lease),
          prev_kv: operation.prevKv === true,
          ignore_value: operation.ignoreValue === true,
          ignore_lease: operation.ignoreLease === true,
        },
      };
  }
}

function fromCompare(compare: Compare): object {
  const common = { ...fromKeys(compare), result: results[compare.result] };
  switch (compare.target) {
    case 'version':
      return { ...common, target: 0, version: compare.version };
    case 'create':
      return { ...common, target: 1, create_revision: compare.createRevision };
    case 'mod':
      return { ...common, target: 2, mod_revision: compare.modRevision };
    case 'value':
      return { ...common, target: 3, value: compare.value };
    case 'lease':
      return { ...common, target: 4, lease: fromLease(compare.lease) };
  }
}

export function fromLease(id: LeaseId | undefined): Int64 {
  return (id ?? 0n).toString();
}

export function toLease(id: Int64): LeaseId {
  return BigInt(id);
}

/** Throws EtcdError UNAVAILABLE when the answer has no header: whatever spoke was no etcd. */
export function revisionOf(answer: { readonly header?: HeaderMessage }): Revision {
  if (!answer.header) throw new EtcdError('UNAVAILABLE', 'the answer has no header: this is not an etcd');
  return revision(Number(answer.header.revision));
}

export function toKeyValue(message: KeyValueMessage): KeyValue {
  return {
    key: decodeKey(message.key),
    value: message.value,
    createRevision: revision(Number(message.create_revision)),
    modRevision: revision(Number(message.mod_revision)),
    version: Number(message.version),
    lease: toLease(message.lease),
  };
}

export function toRange(answer: RangeAnswer, at: Revision): RangeResponse {
  return { revision: at, kvs: answer.kvs.map(toKeyValue), count: Number(answer.count), more: answer.more };
}

export function toTxn(request: TxnRequest, answer: TxnAnswer, at: Revision): TxnResponse {
  const operations = answer.succeeded ? request.success : request.failure;
  return {
    revision: at,
    succeeded: answer.succeeded,
    // What the record's put answered is not the caller's.
    responses: operations.map((operation, i) => toOperation(operation, answer.responses[i] ?? {}, at)),
  };
}

function toOperation(request: Operation, message: ResponseOpMessage, atEnd: Revision): OperationResponse {
  const { response_range: range, response_delete_range: deletion, response_txn: txn, response_put: put } = message;
  const answer = range ?? deletion ?? txn ?? put;
  // Before 3.6 not every part of an answer tells its revision.
  const own = Number(answer?.header?.revision ?? 0);
  const at = own > 0 ? revision(own) : atEnd;
  if (request.type === 'range' && range) return { type: 'range', ...toRange(range, at) };
  if (request.type === 'txn' && txn) return { type: 'txn', ...toTxn(request, txn, at) };
  if (request.type === 'delete' && deletion) {
    const deleted = Number(deletion.deleted);
    return { type: 'delete', revision: at, deleted, prevKvs: deletion.prev_kvs.map(toKeyValue) };
  }
  if (request.type === 'put' && put)
    return { type: 'put', revision: at, ...(put.prev_kv ? { prevKv: toKeyValue(put.prev_kv) } : {}) };
  throw new EtcdError('UNAVAILABLE', `etcd answered a ${request.type} with something else`);
}

/** The events of a watch's message; the revision is that of the last one. */
export function toWatchResponse(message: WatchAnswer): WatchResponse | undefined {
  const events: StoreEvent[] = [];
  for (const { type, kv, prev_kv: previous } of message.events) {
    if (!kv) continue;
    const prevKv = previous ? { prevKv: toKeyValue(previous) } : {};
    events.push({ type: type === 0 ? 'PUT' : 'DELETE', kv: toKeyValue(kv), ...prevKv });
  }
  const last = events[events.length - 1];
  return last ? { revision: last.kv.modRevision, events } : undefined;
}
