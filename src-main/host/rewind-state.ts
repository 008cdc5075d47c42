import type { Context } from '#base/context';
import { Pacer } from '#base/pacer';
import { prefixEnd, revision, type EtcdClient } from '#etcd/client';
import type { RewindItem } from '#contract/rewind';
import type { StreamEvent } from '#contract/watches';
import { readMoment } from './rewind-moments.ts';
import { decodeObject, rewindPlaces } from './rewind-objects.ts';
import { fromStore } from './store-errors.ts';

/** Key-values read in one go. */
const pageSize = 200;

/**
 * Everything the lab view shows, as it was at `at`. Read in pages at that one revision, so that it is one moment however long the
 * reading takes; a reader that is slow makes it wait. Throws StatusError Expired.
 */
export async function* rewindState(
  context: Context,
  etcd: EtcdClient,
  at: number,
): AsyncGenerator<StreamEvent<RewindItem>> {
  const pacer = new Pacer();
  yield { type: 'ADDED', object: { kind: 'moment', moment: await readMoment(context, etcd, at) } };
  for (const { resource, prefix } of rewindPlaces) {
    let key = prefix;
    for (let more = true; more && !context.ended;) {
      const request = { key, rangeEnd: prefixEnd(prefix), limit: pageSize, revision: revision(at) };
      const page = await fromStore(etcd.range(context, request));
      for (const kv of page.kvs) {
        const object = decodeObject(kv);
        if (object) yield { type: 'ADDED', object: { kind: 'object', resource, object } };
        if (pacer.due) await pacer.pace();
      }
      const last = page.kvs[page.kvs.length - 1];
      more = page.more && last !== undefined;
      if (last) key = `${last.key}\0`;
    }
  }
  yield { type: 'BOOKMARK' };
}
