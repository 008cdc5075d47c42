import type { Context } from '#base/context';
import { EtcdError, revision, type EtcdClient, type KeyValue, type StoreEvent } from '#etcd/client';
import type { StoreHistory, StoreRevision } from '#contract/store';
import { fromStore } from './store-errors.ts';
import { leaseOf, readRecord } from './store-view.ts';

export interface HistoryRequest {
  readonly key: string;
  readonly before?: number;
  readonly limit: number;
  readonly allLives?: boolean;
}

/**
 * Every kept revision of a key, newest first. A put names the one before it: what a read finds at its revision minus one.
 * That walk ends where the key was created; what was before a deletion only the whole history tells (`allLives`).
 */
export async function readHistory(context: Context, etcd: EtcdClient, request: HistoryRequest): Promise<StoreHistory> {
  const { compactRevision } = await fromStore(etcd.status(context));
  const { key, limit, allLives } = request;
  const before = request.before ?? Infinity;
  const walked = await walk(context, etcd, key, before, limit);
  const { revisions } = walked;
  if (walked.more || !allLives) return { ...walked, compactRevision };
  const oldest = revisions[revisions.length - 1]?.modRevision ?? before;
  const earlier = await fromStore(replay(context, etcd, key, compactRevision, oldest));
  const all = [...revisions, ...earlier];
  return { revisions: all.slice(0, limit), more: all.length > limit, compactRevision };
}

async function walk(
  context: Context,
  etcd: EtcdClient,
  key: string,
  before: number,
  limit: number,
): Promise<{ readonly revisions: StoreRevision[]; readonly more: boolean }> {
  const revisions: StoreRevision[] = [];
  let next = before;
  while (revisions.length < limit) {
    const kv = next <= 1 ? undefined : await readAt(context, etcd, key, next === Infinity ? undefined : next - 1);
    if (!kv) return { revisions, more: false };
    revisions.push(await putOf(context, etcd, kv));
    if (kv.version <= 1) return { revisions, more: false };
    next = kv.modRevision;
  }
  return { revisions, more: true };
}

/** Undefined when the key did not exist at `at`, or that is compacted. */
async function readAt(
  context: Context,
  etcd: EtcdClient,
  key: string,
  at: number | undefined,
): Promise<KeyValue | undefined> {
  try {
    const answer = await etcd.range(context, { key, ...(at === undefined ? {} : { revision: revision(at) }) });
    return answer.kvs[0];
  } catch (error) {
    if (error instanceof EtcdError && error.code === 'COMPACTED') return undefined;
    throw await fromStore(Promise.reject(error));
  }
}

async function putOf(context: Context, etcd: EtcdClient, kv: KeyValue): Promise<StoreRevision> {
  const { modRevision, version, createRevision } = kv;
  const size = kv.value.byteLength;
  const record = await readRecord(context, etcd, modRevision);
  return { modRevision, type: 'PUT', version, createRevision, size, ...leaseOf(kv), ...(record ? { record } : {}) };
}

/** Puts and deletes of the key from the oldest kept revision up to `before`, newest first, by watching the past. */
async function replay(
  context: Context,
  etcd: EtcdClient,
  key: string,
  compactRevision: number,
  before: number,
): Promise<StoreRevision[]> {
  const { revision: now } = await etcd.status(context);
  const scope = context.withCancel();
  const found: StoreRevision[] = [];
  try {
    const watcher = etcd.watch(scope.context, {
      key,
      startRevision: revision(Math.max(1, compactRevision)),
      name: 'drydock history',
    });
    // The past is delivered first; the note says when that was all of it.
    watcher.requestProgress();
    for await (const response of watcher.responses) {
      for (const event of response.events)
        if (event.kv.modRevision < before) found.push(await revisionOf(scope.context, etcd, event));
      if (response.revision >= Math.min(now, before)) break;
    }
  } finally {
    scope.cancel();
  }
  return found.reverse();
}

async function revisionOf(context: Context, etcd: EtcdClient, { type, kv }: StoreEvent): Promise<StoreRevision> {
  if (type === 'PUT') return putOf(context, etcd, kv);
  const { modRevision } = kv;
  const record = await readRecord(context, etcd, modRevision);
  return { modRevision, type, version: 0, createRevision: 0, size: 0, ...(record ? { record } : {}) };
}
