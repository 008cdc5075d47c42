import { StatusError } from '#api/machinery/status';
import type { WriteRecord } from '#base/cause';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import {
  EtcdError,
  leaseText,
  noLease,
  prefixEnd,
  revision,
  type EtcdClient,
  type KeyValue,
  type Revision,
  type StoreEvent,
} from '#etcd/client';
import type { StoreChange, StoreRange, StoreValue } from '#contract/store';
import type { StreamEvent } from '#contract/watches';

/** The store as its window shows it. Errors are StatusError: NotFound, Expired, ServiceUnavailable. */
export async function readKey(
  context: Context,
  etcd: EtcdClient,
  key: string,
  at: number | undefined,
): Promise<StoreValue> {
  const answer = await translate(() =>
    etcd.range(context, { key, ...(at === undefined ? {} : { revision: revision(at) }) }),
  );
  const [kv] = answer.kvs;
  if (!kv) throw new StatusError('NotFound', `there is no key ${key}${at === undefined ? '' : ` at revision ${at}`}`);
  const [written] = await translate(() => etcd.records(context, kv.modRevision, kv.modRevision));
  const record = decodeRecord(written?.record);
  return {
    key: kv.key,
    value: decodeValue(kv.value),
    size: kv.value.byteLength,
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
    ...(kv.lease === noLease ? {} : { lease: leaseText(kv.lease) }),
    ...(record ? { record } : {}),
  };
}

export async function listKeys(context: Context, etcd: EtcdClient, prefix: string, limit: number): Promise<StoreRange> {
  const answer = await translate(() =>
    etcd.range(context, { key: prefix === '' ? '\0' : prefix, rangeEnd: prefixEnd(prefix), limit }),
  );
  return {
    revision: answer.revision,
    count: answer.count,
    keys: answer.kvs.map((kv) => ({ key: kv.key, modRevision: kv.modRevision, size: kv.value.byteLength })),
  };
}

/** Puts and deletes as they are committed, each with who wrote it and why. */
export async function* storeStream(
  context: Context,
  etcd: EtcdClient,
  options: { readonly prefix?: string; readonly fromRevision?: number },
): AsyncGenerator<StreamEvent<StoreChange>> {
  const { prefix = '', fromRevision } = options;
  const scope = context.withCancel();
  try {
    const watcher = etcd.watch(scope.context, {
      key: prefix === '' ? '\0' : prefix,
      rangeEnd: prefixEnd(prefix),
      ...(fromRevision === undefined ? {} : { startRevision: revision(fromRevision) }),
    });
    yield { type: 'BOOKMARK' };
    for await (const response of watcher.responses) {
      const records = await recordsOf(scope.context, etcd, response.events);
      for (const event of response.events)
        yield { type: 'ADDED', object: changeOf(event, records.get(event.kv.modRevision)) };
    }
  } catch (error) {
    if (context.ended) return;
    yield { type: 'ERROR', status: toStatusError(error).toStatus() };
  } finally {
    scope.cancel();
  }
}

async function recordsOf(
  context: Context,
  etcd: EtcdClient,
  events: readonly StoreEvent[],
): Promise<Map<Revision, string>> {
  const first = events[0]?.kv.modRevision;
  const last = events[events.length - 1]?.kv.modRevision;
  if (first === undefined || last === undefined) return new Map();
  return new Map((await etcd.records(context, first, last)).map((one) => [one.revision, one.record]));
}

function changeOf(event: StoreEvent, text: string | undefined): StoreChange {
  const record = decodeRecord(text);
  const kv: KeyValue = event.kv;
  return {
    revision: kv.modRevision,
    type: event.type,
    key: kv.key,
    size: kv.value.byteLength,
    created: event.type === 'PUT' && kv.version === 1,
    ...(record ? { record } : {}),
  };
}

const decoder = new TextDecoder();

function decodeValue(bytes: Uint8Array): unknown {
  const text = decoder.decode(bytes);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Undefined when the revision has no record, or one that another program wrote. */
function decodeRecord(text: string | undefined): WriteRecord | undefined {
  if (!text) return undefined;
  const value = decodeValue(Buffer.from(text));
  const known = typeof value === 'object' && value !== null && 'user' in value && 'request' in value;
  return known ? (value as WriteRecord) : undefined;
}

async function translate<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toStatusError(error);
  }
}

function toStatusError(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (!(error instanceof EtcdError))
    return new StatusError('InternalError', messageOf(error), undefined, { cause: error });
  if (error.code === 'COMPACTED')
    return new StatusError('Expired', `that revision was compacted: ${error.message}`, undefined, { cause: error });
  if (error.code === 'FUTURE_REVISION')
    return new StatusError('BadRequest', error.message, undefined, { cause: error });
  return new StatusError('ServiceUnavailable', `the store does not answer: ${error.message}`, undefined, {
    cause: error,
  });
}
