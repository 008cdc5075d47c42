import { expect, test } from 'vitest';
import type { ConfigMap, Namespace, Pod } from '#api/gen/types';
import { configMaps, namespaces, pods, serviceAccounts } from '#client/resources';
import { configMap, controllerFixture, pod } from '#client/testing/fixtures';
import { RootCaPublisher } from '../root-ca-publisher/root-ca-publisher.ts';
import { ServiceAccountController } from '../service-account/service-account-controller.ts';
import { NamespaceController } from './namespace-controller.ts';

function namespace(name: string): Namespace {
  const status = { phase: 'Active' };
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: { finalizers: ['kubernetes'] }, status };
}

async function begun() {
  const fixture = controllerFixture();
  const { server, parts, context, begin } = fixture;
  server.put(namespaces, namespace('lab'));
  const controllers = [
    new NamespaceController(parts),
    new ServiceAccountController(parts),
    new RootCaPublisher({ ...parts, rootCa: 'PEM' }),
  ];
  await begin();
  for (const controller of controllers) controller.start(context);
  await server.settle();
  return fixture;
}

test('every namespace gets its ServiceAccount and the authority, and gets them back', async () => {
  const { server } = await begun();
  const check = (): void => {
    expect(server.get(serviceAccounts, 'lab/default')).toBeDefined();
    expect(server.get<ConfigMap>(configMaps, 'lab/kube-root-ca.crt')?.data).toEqual({ 'ca.crt': 'PEM' });
  };
  check();
  server.remove(serviceAccounts, 'lab/default');
  server.put(configMaps, { ...configMap('kube-root-ca.crt', 'lab'), data: { 'ca.crt': 'forged' } });
  await server.settle();
  check();
});

test('deleting a namespace: content first, conditions meanwhile, then the namespace', async () => {
  const { server, parts, context } = await begun();
  server.put(configMaps, configMap('settings', 'lab'));
  const metadata = { name: 'web', namespace: 'lab' };
  server.put(pods, pod('web', { metadata, spec: { containers: [{ name: 'main' }], nodeName: 'worker-1' } }));
  await parts.client.resource(namespaces).delete(context, '', 'lab');
  await server.settle();
  expect(server.get<Pod>(pods, 'lab/web')?.metadata.deletionTimestamp).toBeDefined();
  expect(server.all(configMaps)).toEqual([]);
  expect(server.get<Namespace>(namespaces, 'lab')?.status).toMatchObject({
    phase: 'Terminating',
    conditions: [
      { type: 'NamespaceDeletionDiscoveryFailure', status: 'False' },
      { type: 'NamespaceDeletionGroupVersionParsingFailure', status: 'False' },
      { type: 'NamespaceDeletionContentFailure', status: 'False' },
      {
        type: 'NamespaceContentRemaining',
        status: 'True',
        reason: 'SomeResourcesRemain',
        message: 'Some resources are remaining: pods. has 1 resource instances',
      },
      { type: 'NamespaceFinalizersRemaining', status: 'False', reason: 'ContentHasNoFinalizers' },
    ],
  });
  server.remove(pods, 'lab/web');
  await server.step(1_000);
  expect(server.get(namespaces, 'lab')).toBeUndefined();
});
