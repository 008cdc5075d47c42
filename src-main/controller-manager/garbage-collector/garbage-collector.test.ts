import { expect, test } from 'vitest';
import type { ConfigMap, ObjectMeta, OwnerReference, Pod, ReplicaSet } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { configMaps, deployments, pods, replicaSets } from '#client/resources';
import { configMap, controllerFixture, pod } from '#client/testing/fixtures';
import type { DeletableResource } from '../deletable-resources.ts';
import { GarbageCollector } from './garbage-collector.ts';

const resources: readonly DeletableResource[] = [
  { resource: deployments, kind: 'Deployment', namespaced: true },
  { resource: replicaSets, kind: 'ReplicaSet', namespaced: true },
  { resource: pods, kind: 'Pod', namespaced: true },
  { resource: configMaps, kind: 'ConfigMap', namespaced: true },
];

function apps(kind: string, name: string, ownerReferences: readonly OwnerReference[] = []): KubeObject {
  return { apiVersion: 'apps/v1', kind, metadata: { name, namespace: 'default', uid: `uid-${name}`, ownerReferences } };
}

function ownedBy(kind: string, name: string): OwnerReference {
  return { apiVersion: 'apps/v1', kind, name, uid: `uid-${name}`, controller: true, blockOwnerDeletion: true };
}

/** Deployment web owns ReplicaSet web-1 owns Pods a and b. */
async function chain() {
  const fixture = controllerFixture();
  const { server, parts, context, begin } = fixture;
  server.put(deployments, apps('Deployment', 'web'));
  server.put(replicaSets, apps('ReplicaSet', 'web-1', [ownedBy('Deployment', 'web')]));
  for (const name of ['a', 'b']) {
    const metadata: ObjectMeta = { name, namespace: 'default', ownerReferences: [ownedBy('ReplicaSet', 'web-1')] };
    server.put(pods, pod(name, { metadata }));
  }
  const collector = new GarbageCollector({ ...parts, resources });
  await begin();
  collector.start(context);
  await server.settle();
  const left = (): string[] =>
    [...server.all(deployments), ...server.all(replicaSets), ...server.all(pods)].map(
      ({ metadata }) => metadata.name ?? '',
    );
  const erase = async (propagationPolicy: 'Background' | 'Foreground' | 'Orphan'): Promise<void> => {
    await parts.client.resource(deployments).delete(context, 'default', 'web', { propagationPolicy });
    await server.settle();
  };
  return { ...fixture, left, erase };
}

test('nothing is touched while owners are there', async () => {
  const { left, server } = await chain();
  expect(left()).toEqual(['web', 'web-1', 'a', 'b']);
  expect(server.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
});

test('background: dependents follow, level by level', async () => {
  const { left, erase } = await chain();
  await erase('Background');
  expect(left()).toEqual([]);
});

test('foreground: dependents go first, and the owner waits for them', async () => {
  const { left, erase, server } = await chain();
  const stuck = server.get<Pod>(pods, 'default/a');
  if (stuck) server.put(pods, { ...stuck, metadata: { ...stuck.metadata, finalizers: ['test/hold'] } });
  await server.settle();
  await erase('Foreground');
  expect(left()).toEqual(['web', 'web-1', 'a']);
  server.remove(pods, 'default/a');
  await server.settle();
  expect(left()).toEqual([]);
});

test('orphan: dependents stay and name no owner', async () => {
  const { left, erase, server } = await chain();
  await erase('Orphan');
  expect(left()).toEqual(['web-1', 'a', 'b']);
  expect(server.get<ReplicaSet>(replicaSets, 'default/web-1')?.metadata.ownerReferences).toEqual([]);
});

test('an owner that never was: the dependent goes; one of two owners: only the reference goes', async () => {
  const { server } = await chain();
  const withOwners = (name: string, ownerReferences: OwnerReference[]): ConfigMap => ({
    ...configMap(name),
    metadata: { name, namespace: 'default', ownerReferences },
  });
  server.put(configMaps, withOwners('lost', [ownedBy('Deployment', 'never')]));
  server.put(configMaps, withOwners('shared', [ownedBy('Deployment', 'never'), ownedBy('Deployment', 'web')]));
  server.put(configMaps, withOwners('imposter', [{ ...ownedBy('Deployment', 'web'), uid: 'older' }]));
  await server.settle();
  expect(server.all<ConfigMap>(configMaps).map(({ metadata }) => metadata.name)).toEqual(['shared']);
  expect(server.get<ConfigMap>(configMaps, 'default/shared')?.metadata.ownerReferences).toMatchObject([
    { name: 'web' },
  ]);
});

test('a kind that nobody serves is never taken for gone', async () => {
  const { server } = await chain();
  const ownerReferences = [{ apiVersion: 'example.com/v1', kind: 'Widget', name: 'w', uid: 'w' }];
  server.put(configMaps, { ...configMap('kept'), metadata: { name: 'kept', namespace: 'default', ownerReferences } });
  await server.settle();
  expect(server.get(configMaps, 'default/kept')).toBeDefined();
});
