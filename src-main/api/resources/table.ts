import type { GroupVersionKind } from '../machinery/object.ts';
import { parseGroupVersion } from '../machinery/object.ts';
import { appsResources } from './apps.ts';
import { batchResources, policyResources } from './batch.ts';
import { certificateResources } from './certificates.ts';
import { clusterResources } from './cluster.ts';
import { coreResources } from './core.ts';
import type { ResourceDefinition, Subresource } from './definition.ts';
import { eventResources } from './events.ts';
import { networkingResources } from './networking.ts';
import { rbacResources } from './rbac.ts';
import { reviewResources } from './reviews.ts';

/** Every resource the API server serves, in discovery order: core first, groups in the order of kube-apiserver's own list. */
export const resourceTable: readonly ResourceDefinition[] = Object.freeze([
  ...coreResources,
  ...appsResources,
  ...eventResources,
  ...reviewResources,
  ...batchResources,
  ...certificateResources,
  ...networkingResources,
  ...policyResources,
  ...rbacResources,
  ...clusterResources,
]);

const byPlural = new Map(resourceTable.map((row) => [`${row.group}/${row.version}/${row.plural}`, row]));
const byKind = new Map(resourceTable.map((row) => [`${row.group}/${row.version}/${row.kind}`, row]));

/** The row of `group/version/plural` (group empty for core), if it is served. */
export function findResource(group: string, version: string, plural: string): ResourceDefinition | undefined {
  return byPlural.get(`${group}/${version}/${plural}`);
}

/** The row whose own kind that is; subresource kinds such as Scale have none. */
export function findResourceByKind({ group, version, kind }: GroupVersionKind): ResourceDefinition | undefined {
  return byKind.get(`${group}/${version}/${kind}`);
}

/** As {@link findResourceByKind}, from an object's `apiVersion` and `kind`. */
export function resourceOfObject(object: {
  readonly apiVersion: string;
  readonly kind: string;
}): ResourceDefinition | undefined {
  return findResourceByKind({ ...parseGroupVersion(object.apiVersion), kind: object.kind });
}

export function findSubresource(row: ResourceDefinition, name: string): Subresource | undefined {
  return row.subresources.find((subresource) => subresource.name === name);
}

/** Where an object of `row` lives in the store; only for rows with a `keyPrefix`. */
export function storageKey(row: ResourceDefinition, namespace: string, name: string): string {
  return row.namespaced ? `${row.keyPrefix ?? ''}${namespace}/${name}` : `${row.keyPrefix ?? ''}${name}`;
}

/** API groups with their versions, in discovery order; the core group is the empty name. */
export function servedGroups(): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const row of resourceTable) {
    const versions = groups.get(row.group) ?? [];
    if (!versions.includes(row.version)) versions.push(row.version);
    groups.set(row.group, versions);
  }
  return groups;
}
