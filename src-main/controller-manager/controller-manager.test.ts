import { expect, test } from 'vitest';
import type { CoreV1Event, Job, Node, Pod, ReplicaSet } from '#api/gen/types';
import { events, jobs, nodes, pods, replicaSets } from '#client/resources';
import { controllerFixture, node } from '#client/testing/fixtures';
import { ControllerManager } from './controller-manager.ts';
import { kubeControllers } from './kube-controllers.ts';

function managing() {
  const fixture = controllerFixture();
  const controllers = kubeControllers({ rootCa: 'PEM', signing: { certificate: 'PEM', key: 'PEM' } });
  const manager = (host: string): ControllerManager =>
    new ControllerManager({ ...fixture.parts, name: `kube-controller-manager/${host}`, controllers });
  return { ...fixture, manager };
}

const replicaSet: ReplicaSet = {
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { name: 'web', namespace: 'default', uid: 'rs', generation: 1 },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: 'web' } },
    template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'main', image: 'web' }] } },
  },
};

test('one of two runs everything; when it crashes the other takes over', async () => {
  const { server, context, manager } = managing();
  const [a, b] = [manager('master-1'), manager('master-2')];
  await a.start(context);
  await server.settle();
  await b.start(context);
  server.put(replicaSets, replicaSet);
  await server.step(200);
  expect(server.all<Pod>(pods)).toHaveLength(2);
  expect([a.isLeader, b.isLeader]).toEqual([true, false]);
  a.crash();
  server.remove(pods, `default/${server.all<Pod>(pods)[0]?.metadata.name ?? ''}`);
  await server.step(5_000);
  expect(server.all<Pod>(pods)).toHaveLength(1);
  await server.step(25_000);
  expect(b.isLeader).toBe(true);
  expect(server.all<Pod>(pods)).toHaveLength(2);
  const sources = server.all<CoreV1Event>(events).map((event) => `${event.source?.component}: ${event.reason}`);
  expect(sources).toContain('replicaset-controller: SuccessfulCreate');
  await b.stop();
  expect(b.state).toBe('stopped');
});

test('nodes get ranges of their own, kept over a restart, and freed ones are given again', async () => {
  const { server, context, manager } = managing();
  const one = manager('master-1');
  await one.start(context);
  for (const name of ['n1', 'n2', 'n3']) server.put(nodes, node(name));
  await server.settle();
  const ranges = (): (string | undefined)[] => server.all<Node>(nodes).map(({ spec }) => spec.podCIDR);
  expect(ranges()).toEqual(['10.244.0.0/24', '10.244.1.0/24', '10.244.2.0/24']);
  await one.stop();
  await one.start(context);
  await server.settle();
  server.remove(nodes, 'n2');
  await server.settle();
  server.put(nodes, node('n4'));
  await server.settle();
  expect(ranges()).toEqual(['10.244.0.0/24', '10.244.2.0/24', '10.244.1.0/24']);
});

test('a finished Job goes after its time', async () => {
  const { server, context, manager } = managing();
  await manager('master-1').start(context);
  await server.settle();
  const template = { spec: { containers: [{ name: 'main' }] } };
  const conditions = [{ type: 'Complete', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }];
  const metadata = { name: 'once', namespace: 'default' };
  server.put<Job>(jobs, {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata,
    spec: { template, ttlSecondsAfterFinished: 60 },
    status: { conditions, completionTime: '2026-01-01T00:00:00Z' },
  });
  await server.step(55_000);
  expect(server.get(jobs, 'default/once')).toBeDefined();
  await server.step(10_000);
  expect(server.get(jobs, 'default/once')).toBeUndefined();
});
