import type { Context } from '#base/context';
import { prefixEnd, revision, type EtcdClient, type Revision } from '#etcd/client';
import type { StoreBranch, StoreKey, StoreLevel } from '#contract/store';
import { fromStore } from './store-errors.ts';

const firstPage = 64;
const largestPage = 1024;

export interface LevelRequest {
  readonly prefix: string;
  readonly from?: string;
  readonly limit: number;
  readonly revision?: number;
}

/**
 * One level of the tree of keys, read in pages without values. Where a page ends inside a branch, the branch is counted by
 * the store and jumped over:
 *
 *     /registry/        page  pods/a/x  pods/a/y        -> pods/ counted: 48 210, goes on at /registry/pods0
 *                       page  services/…  …             -> …
 *
 * so that a level costs its own entries, not all keys below it.
 */
export async function readLevel(context: Context, etcd: EtcdClient, request: LevelRequest): Promise<StoreLevel> {
  const { prefix, limit } = request;
  const rangeEnd = prefixEnd(prefix);
  const entries: (StoreKey | StoreBranch)[] = [];
  let at: Revision | undefined = request.revision === undefined ? undefined : revision(request.revision);
  let key = request.from ?? (prefix === '' ? '\0' : prefix);
  let pageSize = firstPage;
  for (;;) {
    const page = await fromStore(
      etcd.range(context, {
        key,
        rangeEnd,
        limit: pageSize,
        keysOnly: true,
        ...(at === undefined ? {} : { revision: at }),
      }),
    );
    at ??= page.revision;
    group(prefix, page.kvs, entries);
    const last = page.kvs[page.kvs.length - 1];
    if (!page.more || !last) return { revision: at, entries };
    const open = entries[entries.length - 1];
    if (open && 'prefix' in open) {
      const end = prefixEnd(open.prefix);
      entries[entries.length - 1] = { prefix: open.prefix, keys: await count(context, etcd, open.prefix, end, at) };
      [key, pageSize] = [end, firstPage];
    } else [key, pageSize] = [`${last.key}\0`, Math.min(largestPage, pageSize * 4)];
    if (entries.length >= limit)
      return (await isEmpty(context, etcd, key, rangeEnd, at))
        ? { revision: at, entries }
        : { revision: at, entries, next: key };
  }
}

function group(prefix: string, kvs: readonly StoreKey[], entries: (StoreKey | StoreBranch)[]): void {
  for (const { key, modRevision } of kvs) {
    const slash = key.indexOf('/', prefix.length + 1);
    const last = entries[entries.length - 1];
    if (slash < 0) entries.push({ key, modRevision });
    else if (last && 'prefix' in last && last.prefix.length === slash + 1 && key.startsWith(last.prefix))
      entries[entries.length - 1] = { prefix: last.prefix, keys: last.keys + 1 };
    else entries.push({ prefix: key.slice(0, slash + 1), keys: 1 });
  }
}

async function count(context: Context, etcd: EtcdClient, key: string, rangeEnd: string, at: Revision): Promise<number> {
  return (await fromStore(etcd.range(context, { key, rangeEnd, countOnly: true, revision: at }))).count;
}

async function isEmpty(
  context: Context,
  etcd: EtcdClient,
  key: string,
  rangeEnd: string,
  at: Revision,
): Promise<boolean> {
  if (rangeEnd !== '\0' && key >= rangeEnd) return true;
  const rest = await fromStore(etcd.range(context, { key, rangeEnd, limit: 1, keysOnly: true, revision: at }));
  return rest.kvs.length === 0;
}
