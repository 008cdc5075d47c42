import { expect, test } from 'vitest';
import type { Pod } from '#api/gen/types';
import { nodes, pods } from '#client/resources';
import { controllerFixture, node, pod } from '#client/testing/fixtures';
import { PodGcController } from './pod-gc-controller.ts';

test('pods of a node that is gone are failed and removed, after the quarantine', async () => {
  const { server, parts, context, begin } = controllerFixture();
  server.put(nodes, node('worker-1'));
  server.put(nodes, node('worker-2'));
  for (const name of ['worker-1', 'worker-2']) {
    server.put(
      pods,
      pod(`on-${name}`, { spec: { containers: [{ name: 'main' }], nodeName: name }, status: { phase: 'Running' } }),
    );
  }
  const controller = new PodGcController(parts);
  await begin();
  controller.start(context);
  server.remove(nodes, 'worker-1');
  await server.step(50_000);
  expect(server.get<Pod>(pods, 'default/on-worker-1')).toBeDefined();
  await server.step(20_000);
  expect(server.get<Pod>(pods, 'default/on-worker-1')).toBeUndefined();
  expect(server.get<Pod>(pods, 'default/on-worker-2')?.status?.phase).toBe('Running');
  expect(server.requests.find(({ method }) => method === 'PATCH')?.body).toMatchObject({
    status: { phase: 'Failed', conditions: [{ type: 'DisruptionTarget', reason: 'DeletionByPodGC' }] },
  });
});

test('a terminating pod that never had a node is removed', async () => {
  const { server, parts, context, begin } = controllerFixture();
  const metadata = {
    name: 'web',
    namespace: 'default',
    deletionTimestamp: '2026-01-01T00:00:00Z',
    deletionGracePeriodSeconds: 30,
  };
  server.put(pods, pod('web', { metadata }));
  const controller = new PodGcController(parts);
  await begin();
  controller.start(context);
  await server.step(20_000);
  expect(server.get<Pod>(pods, 'default/web')).toBeUndefined();
});
