import { expect, test } from 'vitest';
import type { CoreV1Event, Node, Pod } from '#api/gen/types';
import { StatusError } from '#api/machinery/status';
import { events, nodes, pods } from '#client/resources';
import { controllerFixture, node, pod } from '#client/testing/fixtures';
import { Scheduler } from './scheduler.ts';

async function scheduling(...present: Node[]) {
  const fixture = controllerFixture();
  const { server, context, parts } = fixture;
  for (const each of present) server.put(nodes, each);
  const scheduler = new Scheduler({ name: 'kube-scheduler/master-1', ...parts });
  await scheduler.start(context);
  await server.settle();
  const nodeOf = (name: string): string | undefined => server.get<Pod>(pods, `default/${name}`)?.spec.nodeName;
  const eventsOf = (name: string): string[] =>
    server
      .all<CoreV1Event>(events)
      .filter((event) => event.involvedObject.name === name)
      .map((event) => `${event.type} ${event.reason} ${event.message}`);
  return { ...fixture, scheduler, nodeOf, eventsOf };
}

function asking(name: string, requests: Record<string, string>, spec: Partial<Pod['spec']> = {}): Pod {
  return pod(name, { spec: { containers: [{ name: 'main', image: 'web', resources: { requests } }], ...spec } });
}

const owned = (name: string): Pod =>
  pod(name, {
    metadata: {
      name,
      namespace: 'default',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'rs', controller: true }],
    },
  });

test('assigns, says so, and names the cause', async () => {
  const { server, nodeOf, eventsOf, scheduler } = await scheduling(node('worker-1'));
  const { metadata } = server.put(pods, pod('web-0'));
  await server.settle();
  expect(nodeOf('web-0')).toBe('worker-1');
  expect(eventsOf('web-0')).toEqual(['Normal Scheduled Successfully assigned default/web-0 to worker-1']);
  const binding = server.requests.find(({ path }) => path.endsWith('/binding'));
  expect(binding?.cause?.revision).toBe(metadata.resourceVersion);
  expect(scheduler.lastDecisions).toMatchObject([{ pod: 'default/web-0', outcome: 'assigned', node: 'worker-1' }]);
});

test('says why nothing fits, in upstream words, and tries again when that changes', async () => {
  const control = node('master-1', {
    spec: { taints: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }] },
  });
  const { server, nodeOf, eventsOf } = await scheduling(control, node('worker-1'), node('worker-2'));
  for (const name of ['worker-1', 'worker-2'])
    server.put(pods, asking(`big-${name}`, { cpu: '3' }, { nodeName: name }));
  await server.settle();
  const web = asking('web', { cpu: '2' });
  server.put(pods, { ...web, metadata: { ...web.metadata, generation: 1 } });
  await server.settle();
  const message =
    '0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. no new claims to deallocate, ' +
    'preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, ' +
    '2 No preemption victims found for incoming pod.';
  expect(eventsOf('web')).toEqual([`Warning FailedScheduling ${message}`]);
  expect(server.get<Pod>(pods, 'default/web')?.status?.conditions).toMatchObject([
    { type: 'PodScheduled', observedGeneration: 1, status: 'False', reason: 'Unschedulable', message },
  ]);
  server.remove(pods, 'default/big-worker-2');
  await server.settle();
  expect(nodeOf('web')).toBe('worker-2');
});

test('no nodes at all, then one', async () => {
  const { server, nodeOf, eventsOf } = await scheduling();
  server.put(pods, pod('web'));
  await server.settle();
  expect(eventsOf('web')).toEqual(['Warning FailedScheduling no nodes available to schedule pods']);
  server.put(nodes, node('worker-1'));
  await server.settle();
  expect(nodeOf('web')).toBe('worker-1');
});

test('spreads the pods of one ReplicaSet evenly', async () => {
  const { server } = await scheduling(node('worker-1'), node('worker-2'), node('worker-3'));
  for (let i = 0; i < 9; i++) server.put(pods, owned(`web-${i}`));
  await server.settle();
  const counts = new Map<string, number>();
  for (const { spec } of server.all<Pod>(pods))
    counts.set(spec.nodeName ?? '', (counts.get(spec.nodeName ?? '') ?? 0) + 1);
  expect(Object.fromEntries(counts)).toEqual({ 'worker-1': 3, 'worker-2': 3, 'worker-3': 3 });
});

test.each<[string, Partial<Pod['spec']>, string]>([
  ['a node selector', { nodeSelector: { disk: 'ssd' } }, 'worker-2'],
  ['a toleration', { tolerations: [{ key: 'gpu', operator: 'Exists' }], nodeSelector: { gpu: 'yes' } }, 'worker-3'],
  [
    'node affinity by name',
    {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['worker-1'] }] }],
          },
        },
      },
    },
    'worker-1',
  ],
])('honours %s', async (_what, spec, expected) => {
  const { server, nodeOf } = await scheduling(
    node('worker-1'),
    node('worker-2', { metadata: { name: 'worker-2', labels: { disk: 'ssd' } } }),
    node('worker-3', {
      metadata: { name: 'worker-3', labels: { gpu: 'yes' } },
      spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] },
    }),
  );
  server.put(pods, pod('web', { spec: { containers: [{ name: 'main' }], ...spec } }));
  await server.settle();
  expect(nodeOf('web')).toBe(expected);
});

test('a cordoned node, taken ports and full nodes are refused with their reasons', async () => {
  const full = node('worker-3', { status: { allocatable: { cpu: '4', memory: '8Gi', pods: '0' } } });
  const { server, eventsOf } = await scheduling(
    node('worker-1', { spec: { unschedulable: true } }),
    node('worker-2'),
    full,
  );
  const ports = [{ name: 'main', ports: [{ containerPort: 80, hostPort: 8080 }] }];
  server.put(pods, pod('first', { spec: { containers: ports, nodeName: 'worker-2' } }));
  await server.settle();
  server.put(pods, pod('web', { spec: { containers: ports } }));
  await server.settle();
  expect(eventsOf('web')[0]).toContain(
    "0/3 nodes are available: 1 Too many pods, 1 node(s) didn't have free ports for the requested pod ports, 1 node(s) were unschedulable.",
  );
});

test('required anti-affinity keeps equals apart', async () => {
  const labels = { app: 'web' };
  const podAntiAffinity = {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { labelSelector: { matchLabels: labels }, topologyKey: 'kubernetes.io/hostname' },
    ],
  };
  const { server, nodeOf, eventsOf } = await scheduling(node('worker-1'), node('worker-2'));
  for (const name of ['a', 'b', 'c']) {
    const metadata = { name, namespace: 'default', labels };
    server.put(pods, pod(name, { metadata, spec: { containers: [{ name: 'main' }], affinity: { podAntiAffinity } } }));
  }
  await server.settle();
  expect(new Set([nodeOf('a'), nodeOf('b')]).size).toBe(2);
  expect(eventsOf('c')[0]).toContain("0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.");
});

test('scheduling gates hold a pod until they are lifted', async () => {
  const { server, nodeOf } = await scheduling(node('worker-1'));
  const gated = server.put(
    pods,
    pod('web', { spec: { containers: [{ name: 'main' }], schedulingGates: [{ name: 'x' }] } }),
  );
  await server.step(600_000);
  expect(nodeOf('web')).toBeUndefined();
  server.put(pods, { ...gated, spec: { containers: gated.spec.containers } });
  await server.settle();
  expect(nodeOf('web')).toBe('worker-1');
});

test('a more important pod makes room for itself', async () => {
  const { server, nodeOf, eventsOf } = await scheduling(node('worker-1'));
  server.put(pods, asking('low', { cpu: '3' }, { nodeName: 'worker-1', priority: 1 }));
  server.put(pods, asking('lowest', { cpu: '1' }, { nodeName: 'worker-1', priority: 0 }));
  await server.settle();
  server.put(pods, asking('high', { cpu: '1' }, { priority: 100 }));
  await server.settle();
  expect(server.get<Pod>(pods, 'default/low')?.metadata.deletionTimestamp).toBeUndefined();
  expect(server.get<Pod>(pods, 'default/lowest')?.metadata.deletionTimestamp).toBeDefined();
  expect(server.get<Pod>(pods, 'default/high')?.status?.nominatedNodeName).toBe('worker-1');
  expect(eventsOf('lowest')[0]).toMatch(/^Normal Preempted Preempted by pod .+ on node worker-1$/);
  server.remove(pods, 'default/lowest');
  await server.settle();
  expect(nodeOf('high')).toBe('worker-1');
});

test('a refused binding is tried again after a backoff', async () => {
  const { server, nodeOf } = await scheduling(node('worker-1'));
  let refusals = 2;
  server.react(({ path }) =>
    path.endsWith('/binding') && refusals-- > 0 ? new StatusError('InternalError', 'no') : undefined,
  );
  server.put(pods, pod('web'));
  await server.settle();
  expect(nodeOf('web')).toBeUndefined();
  await server.step(1_000);
  expect(nodeOf('web')).toBeUndefined();
  await server.step(2_000);
  expect(nodeOf('web')).toBe('worker-1');
});

test('a crashed scheduler assigns nothing; started again it does', async () => {
  const { server, scheduler, context, nodeOf } = await scheduling(node('worker-1'));
  scheduler.crash();
  server.put(pods, pod('web'));
  await server.settle();
  expect(nodeOf('web')).toBeUndefined();
  await scheduler.start(context);
  await server.settle();
  expect(nodeOf('web')).toBe('worker-1');
  await scheduler.stop();
  expect(scheduler.state).toBe('stopped');
});

test('five hundred pods fill the room there is and no more', async () => {
  const { server } = await scheduling(node('worker-1'), node('worker-2'), node('worker-3'));
  for (let i = 0; i < 500; i++) server.put(pods, owned(`web-${i}`));
  await server.settle();
  const counts = new Map<string, number>();
  for (const { spec } of server.all<Pod>(pods))
    counts.set(spec.nodeName ?? '', (counts.get(spec.nodeName ?? '') ?? 0) + 1);
  expect(Object.fromEntries(counts)).toEqual({ 'worker-1': 110, 'worker-2': 110, 'worker-3': 110, '': 170 });
});
