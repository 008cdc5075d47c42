import { StatusError } from '#api/machinery/status';
import type { WriteRecord } from '#base/cause';
import type { Context } from '#base/context';
import {
  leaseText,
  noLease,
  prefixEnd,
  revision,
  type EtcdClient,
  type KeyValue,
  type Revision,
  type StoreEvent,
} from '#etcd/client';
import type { StoreChange, StoreValue } from '#contract/store';
import type { StreamEvent } from '#contract/watches';
import { fromStore, storeStatusError } from './store-errors.ts';
import { mask } from './store-secrets.ts';

export interface KeyRequest {
  readonly key: string;
  readonly revision?: number;
  readonly raw?: boolean;
  readonly reveal?: boolean;
}

/** The store as its window shows it. Errors are StatusError: NotFound, Expired, ServiceUnavailable. */
export async function readKey(context: Context, etcd: EtcdClient, request: KeyRequest): Promise<StoreValue> {
  const { key, revision: at, raw = false, reveal = false } = request;
  const answer = await fromStore(etcd.range(context, { key, ...(at === undefined ? {} : { revision: revision(at) }) }));
  const [kv] = answer.kvs;
  if (!kv) throw new StatusError('NotFound', `there is no key ${key}${at === undefined ? '' : ` at revision ${at}`}`);
  const record = await readRecord(context, etcd, kv.modRevision);
  const { value, masking } = mask(key, decodeValue(kv.value), reveal);
  return {
    ...{ key, value, masking, size: kv.value.byteLength },
    ...(raw && masking !== 'masked' ? { raw: Buffer.from(kv.value).toString('base64') } : {}),
    ...{ createRevision: kv.createRevision, modRevision: kv.modRevision, version: kv.version },
    ...leaseOf(kv),
    ...(record ? { record } : {}),
  };
}

/** Who wrote `at`, and why. */
export async function readRecord(context: Context, etcd: EtcdClient, at: Revision): Promise<WriteRecord | undefined> {
  const [written] = await fromStore(etcd.records(context, at, at));
  return decodeRecord(written?.record);
}

/** Nothing for a key without a lease. */
export function leaseOf({ lease }: KeyValue): { readonly lease?: string } {
  return lease === noLease ? {} : { lease: leaseText(lease) };
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
      name: 'drydock window',
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
    yield { type: 'ERROR', status: storeStatusError(error).toStatus() };
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
  return decodeText(decoder.decode(bytes));
}

function decodeText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Undefined when the revision has no record, or one that another program wrote. */
function decodeRecord(text: string | undefined): WriteRecord | undefined {
  if (!text) return undefined;
  const value = decodeText(text);
  const known = typeof value === 'object' && value !== null && 'user' in value && 'request' in value;
  return known ? (value as WriteRecord) : undefined;
}
