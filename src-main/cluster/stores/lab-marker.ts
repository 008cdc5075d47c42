import { createHash } from 'node:crypto';
import type { Context } from '#base/context';
import { prefixEnd, type EtcdClient } from '#etcd/client';
import { ClusterError } from '../errors.ts';
import { asRecord, asText } from '../json-fields.ts';

/** Whose keys those under /registry are. */
const markerKey = '/drydock.io/lab';
const ownPrefix = '/drydock.io/';
const registryPrefix = '/registry/';

export interface LabIdentity {
  readonly name: string;
  /** Never the same for two labs. */
  readonly id: string;
}

/** A lab is who signs for it: its authority is made once and never again. */
export function labIdentity(name: string, caCertificate: string): LabIdentity {
  return { name, id: createHash('sha256').update(caCertificate).digest('hex').slice(0, 32) };
}

/**
 * Takes the keyspace of a shared etcd for one lab, so that two never write over each other's objects. Throws ClusterError
 * INVALID when it is another's, EtcdError when etcd cannot be asked.
 */
export async function claimKeyspace(
  context: Context,
  etcd: EtcdClient,
  lab: LabIdentity,
  where: string,
): Promise<void> {
  const registry = { key: registryPrefix, rangeEnd: prefixEnd(registryPrefix) };
  const answer = await etcd.txn(context, {
    compare: [{ key: markerKey, target: 'version', result: '=', version: 0 }],
    success: [{ type: 'range', ...registry, limit: 1, keysOnly: true }],
    failure: [{ type: 'range', key: markerKey }],
  });
  const [response] = answer.responses;
  const found = response?.type === 'range' ? response.kvs[0] : undefined;
  if (!answer.succeeded) {
    const owner = found ? ownerOf(found.value) : undefined;
    if (owner?.id === lab.id) return;
    const whose = owner ? `of another lab, ${owner.name}` : 'that are marked in a way this version does not know';
    throw new ClusterError(
      'INVALID',
      `the etcd at ${where} holds objects ${whose}; use an etcd of its own for each lab`,
    );
  }
  if (found)
    throw new ClusterError(
      'INVALID',
      `the etcd at ${where} holds another cluster's objects under ${registryPrefix}; use an etcd that is empty there`,
    );
  await mark(context, etcd, lab, where);
}

/** Two labs may find the keyspace free at once: one of them is first. */
async function mark(context: Context, etcd: EtcdClient, lab: LabIdentity, where: string): Promise<void> {
  const { succeeded } = await etcd.txn(context, {
    compare: [
      { key: markerKey, target: 'version', result: '=', version: 0 },
      { key: registryPrefix, rangeEnd: prefixEnd(registryPrefix), target: 'version', result: '=', version: 0 },
    ],
    success: [{ type: 'put', key: markerKey, value: Buffer.from(JSON.stringify(lab)) }],
    failure: [],
  });
  if (!succeeded) await claimKeyspace(context, etcd, lab, where);
}

/** Removes the lab's objects and its mark. What is not this lab's stays. */
export async function releaseKeyspace(context: Context, etcd: EtcdClient, lab: LabIdentity): Promise<void> {
  const [marker] = (await etcd.range(context, { key: markerKey })).kvs;
  if (!marker || ownerOf(marker.value)?.id !== lab.id) return;
  await etcd.txn(context, {
    compare: [{ key: markerKey, target: 'mod', result: '=', modRevision: marker.modRevision }],
    success: [registryPrefix, ownPrefix].map((prefix) => ({
      type: 'delete' as const,
      key: prefix,
      rangeEnd: prefixEnd(prefix),
    })),
    failure: [],
  });
}

function ownerOf(value: Uint8Array): LabIdentity | undefined {
  try {
    const record = asRecord(JSON.parse(Buffer.from(value).toString('utf8')), 'the mark');
    return { name: asText(record['name'], 'name'), id: asText(record['id'], 'id') };
  } catch {
    return undefined;
  }
}
