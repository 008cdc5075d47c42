import type { KubeObject } from '#api/machinery/object';
import { findResource } from '#api/resources/table';
import { InvariantError } from '#base/errors';
import type { KeyValue } from '#etcd/client';
import type { RewindResource } from '#contract/rewind';

/** Where the objects of the lab view lie in the store; what is needed first comes first. */
export const rewindPlaces: readonly { readonly resource: RewindResource; readonly prefix: string }[] = [
  place('', 'v1', 'nodes'),
  place('coordination.k8s.io', 'v1', 'leases', 'kube-node-lease/'),
  place('apps', 'v1', 'replicasets'),
  place('', 'v1', 'pods'),
  place('apps', 'v1', 'deployments'),
  place('apps', 'v1', 'statefulsets'),
  place('apps', 'v1', 'daemonsets'),
  place('batch', 'v1', 'jobs'),
  place('batch', 'v1', 'cronjobs'),
  place('', 'v1', 'services'),
  place('', 'v1', 'events'),
];

function place(group: string, version: string, resource: RewindResource, below = '') {
  const prefix = findResource(group, version, resource)?.keyPrefix;
  if (prefix === undefined) throw new InvariantError(`${resource} are not stored`);
  return { resource, prefix: prefix + below };
}

/** Undefined for keys of other resources. */
export function resourceOfKey(key: string): RewindResource | undefined {
  return rewindPlaces.find((one) => key.startsWith(one.prefix))?.resource;
}

const decoder = new TextDecoder();

/** Undefined when the value is no object, which only another program can have written. */
export function decodeObject(kv: KeyValue): KubeObject | undefined {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(kv.value));
  } catch {
    return undefined; // Not JSON: nothing the API server would show either.
  }
  if (typeof value !== 'object' || value === null || !('metadata' in value)) return undefined;
  // The boundary: what has metadata under the key of a resource was written by the API server after validation.
  const object = value as KubeObject;
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(kv.modRevision) } };
}
