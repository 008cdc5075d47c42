import { formatGroupVersion } from '../machinery/object.ts';
import type { ResourceDefinition } from '../resources/definition.ts';
import { resourceTable, servedGroups } from '../resources/table.ts';

/** Discovery documents, all from the resource table (`k8s.io/apiserver/pkg/endpoints/discovery`, release 1.36). */

function versionsOf(group: string): readonly { readonly groupVersion: string; readonly version: string }[] {
  return (servedGroups().get(group) ?? []).map((version) => ({
    groupVersion: formatGroupVersion({ group, version }),
    version,
  }));
}

/** `GET /api`. `serverAddress` is `host:port`. */
export function apiVersions(serverAddress: string): object {
  return {
    kind: 'APIVersions',
    versions: servedGroups().get('') ?? [],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }],
  };
}

function groupEntry(name: string): object {
  const versions = versionsOf(name);
  return { name, versions, preferredVersion: versions[0] };
}

/** `GET /apis`. */
export function apiGroupList(): object {
  const names = [...servedGroups().keys()].filter((name) => name !== '');
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: names.map(groupEntry) };
}

/** `GET /apis/<group>`; undefined for a group that is not served. */
export function apiGroup(name: string): object | undefined {
  if (name === '' || !servedGroups().has(name)) return undefined;
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupEntry(name) };
}

function rowsOf(group: string, version: string): readonly ResourceDefinition[] {
  return resourceTable
    .filter((row) => row.group === group && row.version === version)
    .sort((a, b) => (a.plural < b.plural ? -1 : 1));
}

const names = (row: ResourceDefinition): object => ({
  ...(row.shortNames.length > 0 ? { shortNames: row.shortNames } : {}),
  ...(row.categories.length > 0 ? { categories: row.categories } : {}),
});

function resourceEntries(row: ResourceDefinition): readonly object[] {
  const { plural, singular, namespaced, kind, verbs } = row;
  const own = { name: plural, singularName: singular, namespaced, kind, verbs, ...names(row) };
  const below = row.subresources.map((one) => ({
    name: `${plural}/${one.name}`,
    singularName: '',
    namespaced,
    ...(one.group === row.group && one.version === row.version ? {} : { group: one.group, version: one.version }),
    kind: one.kind,
    verbs: one.verbs,
  }));
  return [own, ...below];
}

/** `GET /api/v1` and `GET /apis/<group>/<version>`; undefined when that is not served. */
export function apiResourceList(group: string, version: string): object | undefined {
  const rows = rowsOf(group, version);
  if (rows.length === 0) return undefined;
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: formatGroupVersion({ group, version }),
    resources: rows.flatMap(resourceEntries),
  };
}

function aggregatedResource(row: ResourceDefinition): object {
  const { group, version, kind, plural, singular, verbs } = row;
  const subresources = row.subresources.map((one) => ({
    subresource: one.name,
    responseKind: { group: one.group, version: one.version, kind: one.kind },
    verbs: one.verbs,
  }));
  return {
    resource: plural,
    responseKind: { group, version, kind },
    scope: row.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: singular,
    verbs,
    ...names(row),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}

function aggregatedGroup(group: string): object {
  return {
    metadata: { ...(group === '' ? {} : { name: group }), creationTimestamp: null },
    versions: (servedGroups().get(group) ?? []).map((version) => ({
      version,
      resources: rowsOf(group, version).map(aggregatedResource),
      freshness: 'Current',
    })),
  };
}

/** The media type that asks for {@link aggregatedDiscovery}, as clients spell it in `Accept`. */
export const aggregatedMediaType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/** `GET /api` or `GET /apis` when the client accepts the aggregated form: every group with all its resources. */
export function aggregatedDiscovery(root: '/api' | '/apis'): object {
  const groups = [...servedGroups().keys()].filter((name) => (name === '') === (root === '/api'));
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map(aggregatedGroup),
  };
}
