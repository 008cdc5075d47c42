import { Context } from '#base/context';
import {
  EtcdError,
  prefixEnd,
  revision,
  type EtcdClient,
  type KeyValue,
  type LeaseId,
  type Operation,
  type Revision,
} from '../../client.ts';
import { GrpcError } from '../grpc/status.ts';

/**
 * The line of those who want the same lock or office, after etcd's `client/v3/concurrency` (3.6): everybody puts a key
 * `NAME/LEASE` below a common prefix, and who was first by create revision has it. Each waits for those before it to go.
 */
export interface Place {
  readonly key: string;
  readonly createRevision: Revision;
  /** When the place was taken or found. */
  readonly revision: Revision;
  /** The key-value that was there already. */
  readonly found: KeyValue | undefined;
}

const defaultLeaseSeconds = 60;

/** Takes a place in the line, or finds the one that the lease has. Throws GrpcError for a lease that is not there. */
export async function lineUp(
  etcd: EtcdClient,
  context: Context,
  place: { readonly name: string; readonly lease: LeaseId; readonly value: Uint8Array },
): Promise<Place> {
  const key = `${place.name}/${hex(place.lease)}`;
  const get: Operation = { type: 'range', key };
  const put: Operation = { type: 'put', key, value: place.value, lease: place.lease };
  const txn = {
    compare: [{ key, target: 'create' as const, result: '=' as const, createRevision: revision(0) }],
    success: [put],
    failure: [get],
  };
  const answer = await etcd.txn(context, txn).catch((error: unknown) => {
    // etcd's Lock and Election services are clients of its KV service, and lose the code of what it says on the way.
    if (error instanceof EtcdError && error.code === 'LEASE_NOT_FOUND') throw new GrpcError('UNKNOWN', error.message);
    throw error;
  });
  const [first] = answer.responses;
  const found = !answer.succeeded && first?.type === 'range' ? first.kvs[0] : undefined;
  return { key, createRevision: found?.createRevision ?? answer.revision, revision: answer.revision, found };
}

/** A lease for a caller that brought none. */
export async function leaseFor(etcd: EtcdClient, context: Context, lease: LeaseId): Promise<LeaseId> {
  return lease === 0n ? (await etcd.leaseGrant(context, defaultLeaseSeconds)).id : lease;
}

/** Resolves when nobody is before `place` any more, with the revision; gives the place up when `context` ends. */
export async function waitForTurn(etcd: EtcdClient, context: Context, name: string, place: Place): Promise<Revision> {
  try {
    for (;;) {
      const before = await etcd.range(context, {
        ...line(name),
        limit: 1,
        sort: { order: 'descend', target: 'create' },
        maxCreateRevision: revision(place.createRevision - 1),
      });
      const [last] = before.kvs;
      if (!last) return before.revision;
      await waitForDeletion(etcd, context, last.key, before.revision);
    }
  } catch (error) {
    if (context.ended) await giveUp(etcd, place);
    throw error;
  }
}

/** The key-value of who is first. */
export async function first(
  etcd: EtcdClient,
  context: Context,
  name: string,
): Promise<{ readonly kv: KeyValue | undefined; readonly revision: Revision }> {
  const answer = await etcd.range(context, { ...line(name), limit: 1, sort: { order: 'ascend', target: 'create' } });
  return { kv: answer.kvs[0], revision: answer.revision };
}

export function line(name: string): { readonly key: string; readonly rangeEnd: string } {
  return { key: `${name}/`, rangeEnd: prefixEnd(`${name}/`) };
}

/** The key as Go's `%x` writes it, minus sign included. */
function hex(lease: LeaseId): string {
  return lease.toString(16);
}

async function waitForDeletion(etcd: EtcdClient, context: Context, key: string, after: Revision): Promise<void> {
  const { context: life, cancel } = context.withCancel();
  try {
    const watcher = etcd.watch(life, { key, startRevision: revision(after + 1), noPut: true });
    for await (const { events } of watcher.responses) if (events.some(({ type }) => type === 'DELETE')) return;
    context.check();
    throw new EtcdError('UNAVAILABLE', 'etcdserver: server stopped');
  } finally {
    cancel();
  }
}

async function giveUp(etcd: EtcdClient, place: Place): Promise<void> {
  await etcd.txn(Context.background(), {
    compare: [{ key: place.key, target: 'create', result: '=', createRevision: place.createRevision }],
    success: [{ type: 'delete', key: place.key }],
    failure: [],
  });
}
