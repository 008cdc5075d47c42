import { expect, test } from 'vitest';
import { aggregatedDiscovery, apiGroup, apiGroupList, apiResourceList } from './discovery.ts';
import { openApiV2, openApiV3, openApiV3Index } from './documents.ts';

interface Document {
  readonly paths: Record<
    string,
    Record<string, { readonly parameters?: { readonly name: string }[]; readonly operationId?: string }>
  >;
  readonly components: { readonly schemas: Record<string, { readonly properties?: Record<string, object> }> };
  readonly definitions: Record<string, unknown>;
}

function references(value: unknown, found: Set<string> = new Set()): Set<string> {
  if (typeof value !== 'object' || value === null) return found;
  for (const [key, part] of Object.entries(value)) {
    if (key === '$ref' && typeof part === 'string') found.add(part);
    else references(part, found);
  }
  return found;
}

test('every reference of a version 3 document leads to a schema in it', async () => {
  const index = openApiV3Index('v1.36.0') as { paths: Record<string, { serverRelativeURL: string }> };
  expect(index.paths['apis/apps/v1']?.serverRelativeURL).toMatch(/^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]{32}$/);
  for (const path of Object.keys(index.paths)) {
    const [, group = '', version = ''] = path === 'api/v1' ? ['', '', 'v1'] : path.split('/');
    const document = (await openApiV3(group, version, 'v1.36.0')) as Document;
    for (const reference of references(document)) {
      expect(Object.keys(document.components.schemas)).toContain(reference.replace('#/components/schemas/', ''));
    }
  }
});

test('kinds, documentation, patch strategies and the parameters kubectl looks for', async () => {
  const document = (await openApiV3('apps', 'v1', 'v1.36.0')) as Document;
  expect(document.components.schemas['io.k8s.api.apps.v1.Deployment']).toMatchObject({
    'x-kubernetes-group-version-kind': [{ group: 'apps', kind: 'Deployment', version: 'v1' }],
  });
  expect(document.components.schemas['io.k8s.api.core.v1.PodSpec']?.properties?.['containers']).toMatchObject({
    description: expect.stringContaining('List of containers') as string,
    items: { allOf: [{ $ref: '#/components/schemas/io.k8s.api.core.v1.Container' }] },
    type: 'array',
    'x-kubernetes-list-map-keys': ['name'],
    'x-kubernetes-patch-merge-key': 'name',
    'x-kubernetes-patch-strategy': 'merge',
  });
  const patch = document.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']?.['patch'];
  expect(patch?.operationId).toBe('patchAppsV1NamespacedDeployment');
  expect(patch?.parameters?.map(({ name }) => name)).toEqual(['dryRun', 'fieldManager', 'fieldValidation', 'force']);
  expect(document.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale']).toHaveProperty('put');
  expect(await openApiV3('nope', 'v1', '')).toBeUndefined();
});

test('version 2 has every definition it refers to', async () => {
  const document = (await openApiV2('v1.36.0')) as Document;
  for (const reference of references(document))
    expect(Object.keys(document.definitions)).toContain(reference.replace('#/definitions/', ''));
});

test('discovery: groups, resources and the aggregated form', () => {
  expect((apiGroupList() as { groups: { name: string }[] }).groups.map(({ name }) => name)).toContain('events.k8s.io');
  expect(apiGroup('apps')).toMatchObject({
    name: 'apps',
    preferredVersion: { groupVersion: 'apps/v1', version: 'v1' },
  });
  const { resources } = apiResourceList('', 'v1') as { resources: { name: string }[] };
  expect(resources.find(({ name }) => name === 'pods/eviction')).toEqual({
    name: 'pods/eviction',
    singularName: '',
    namespaced: true,
    group: 'policy',
    version: 'v1',
    kind: 'Eviction',
    verbs: ['create'],
  });
  expect(resources.find(({ name }) => name === 'pods')).toMatchObject({
    shortNames: ['po'],
    categories: ['all'],
    kind: 'Pod',
  });
  expect(aggregatedDiscovery('/api')).toMatchObject({
    apiVersion: 'apidiscovery.k8s.io/v2',
    items: [{ versions: [{ version: 'v1', freshness: 'Current' }] }],
  });
});
