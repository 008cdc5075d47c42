import { Context } from '#base/context';
import {
  noLease,
  type EtcdClient,
  type Operation,
  type Revision,
  type StoreEvent,
  type TxnRequest,
  type WatchResponse,
} from '#etcd/client';
import type { EtcdMaintenance } from '#etcd/maintenance';

/** One implementation of the store under test. */
export interface EtcdTarget {
  /** What it is, or claims to be. Debian's etcd is 3.4; the embedded store follows 3.6 where they differ. */
  readonly release: '3.4' | '3.6';
  /** An empty store at revision 1 that was never compacted, or one that {@link RelativeEtcd} makes look like it. */
  start(): Promise<EtcdClient>;
  /** Of the store that was started last. */
  readonly maintenance: EtcdMaintenance;
  /** Ends the store and opens it again with what it had on disk; absent where the test may not do that. */
  readonly restart?: (how: 'orderly' | 'crash') => Promise<EtcdClient>;
  /** Lets `seconds` pass for leases, or lets the caller wait for it. */
  pass(seconds: number): Promise<void>;
  stop(): Promise<void>;
}

/** The store of the test that runs now. */
export interface Lab {
  readonly target: EtcdTarget;
  client: EtcdClient;
}

export const context = Context.background();
export const bytes = (value: string): Uint8Array => Buffer.from(value);
export const text = (value: Uint8Array | undefined): string => Buffer.from(value ?? []).toString();
export const put = (key: string, value = 'v', lease = noLease): Operation => ({
  type: 'put',
  key,
  value: bytes(value),
  lease,
});
export const del = (key: string, rangeEnd?: string): Operation =>
  rangeEnd === undefined ? { type: 'delete', key } : { type: 'delete', key, rangeEnd };
export const only = (...success: Operation[]): TxnRequest => ({ compare: [], success, failure: [] });
export const everything = { key: '\0', rangeEnd: '\0' };

export async function contents(client: EtcdClient, at?: Revision) {
  const response = await client.range(context, at === undefined ? everything : { ...everything, revision: at });
  return response.kvs.map((kv) => ({ ...kv, value: text(kv.value) }));
}

/** Events until the revision `last`. */
export async function eventsUntil(responses: AsyncIterable<WatchResponse>, last: number): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  for await (const response of responses) {
    events.push(...response.events);
    if (response.revision >= last) break;
  }
  return events;
}

export const short = (event: StoreEvent): [string, string, number] => [event.type, event.kv.key, event.kv.modRevision];

/** etcd's texts and the codes that stand for them. */
export const refusals = {
  compacted: { code: 'COMPACTED', message: 'etcdserver: mvcc: required revision has been compacted' },
  future: { code: 'FUTURE_REVISION', message: 'etcdserver: mvcc: required revision is a future revision' },
  duplicateKey: { code: 'DUPLICATE_KEY', message: 'etcdserver: duplicate key given in txn request' },
  noLease: { code: 'LEASE_NOT_FOUND', message: 'etcdserver: requested lease not found' },
  leaseExists: { code: 'LEASE_EXISTS', message: 'etcdserver: lease already exists' },
  invalid: (words: string) => ({ code: 'INVALID_ARGUMENT', message: `etcdserver: ${words}` }),
};
