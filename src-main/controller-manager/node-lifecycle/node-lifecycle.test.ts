import { expect, test } from 'vitest';
import type { Lease, Node, Pod } from '#api/gen/types';
import { formatMicroTime } from '#base/clock';
import { leases, nodes, pods } from '#client/resources';
import { controllerFixture, node, pod } from '#client/testing/fixtures';
import { NodeLifecycleController } from './node-lifecycle-controller.ts';
import { TaintEvictionController } from './taint-eviction-controller.ts';

async function threeNodes() {
  const fixture = controllerFixture();
  const { server, clock, parts, context } = fixture;
  const alive = new Set(['worker-1', 'worker-2', 'worker-3']);
  const beat = (name: string): void => {
    const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: formatMicroTime(clock.now()) };
    const metadata = { name, namespace: 'kube-node-lease' };
    server.put<Lease>(leases, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec });
  };
  for (const name of alive) {
    server.put(nodes, node(name));
    beat(name);
  }
  const controllers = [new NodeLifecycleController(parts), new TaintEvictionController(parts)];
  await fixture.begin();
  for (const controller of controllers) controller.start(context);
  await server.settle();
  /** Lets seconds pass with the living renewing their leases every ten. */
  const pass = async (seconds: number): Promise<void> => {
    for (let left = seconds; left > 0; left -= 10) {
      await server.step(Math.min(10, left) * 1000);
      for (const name of alive) beat(name);
    }
    await server.settle();
  };
  const conditionOf = (name: string) =>
    server.get<Node>(nodes, name)?.status?.conditions?.find(({ type }) => type === 'Ready');
  const taintsOf = (name: string): string[] =>
    (server.get<Node>(nodes, name)?.spec.taints ?? []).map(({ key, effect }) => `${key}:${effect}`);
  return { ...fixture, alive, beat, pass, conditionOf, taintsOf };
}

const tolerating = (seconds: number): Pod['spec']['tolerations'] =>
  ['not-ready', 'unreachable'].map((state) => ({
    key: `node.kubernetes.io/${state}`,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: seconds,
  }));

function runningOn(name: string, nodeName: string, tolerations = tolerating(300)): Pod {
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
  return pod(name, {
    spec: { containers: [{ name: 'main' }], nodeName, ...(tolerations ? { tolerations } : {}) },
    status,
  });
}

test('a killed node: Unknown after 50 s, tainted, pods unready at once and evicted after 300 s', async () => {
  const { server, alive, pass, conditionOf, taintsOf, recorder } = await threeNodes();
  server.put(pods, runningOn('web-0', 'worker-1'));
  server.put(pods, runningOn('web-1', 'worker-2'));
  await server.settle();
  alive.delete('worker-1');
  await pass(40);
  expect(conditionOf('worker-1')?.status).toBe('True');
  await pass(20);
  expect(conditionOf('worker-1')).toMatchObject({
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
  });
  expect(taintsOf('worker-1')).toEqual([
    'node.kubernetes.io/unreachable:NoSchedule',
    'node.kubernetes.io/unreachable:NoExecute',
  ]);
  expect(server.get<Pod>(pods, 'default/web-0')?.status?.conditions).toMatchObject([
    { type: 'Ready', status: 'False' },
  ]);
  expect(recorder.lines).toContain('Normal NodeNotReady Node worker-1 status is now: NodeNotReady');
  expect(recorder.lines).toContain('Warning NodeNotReady Node is not ready');
  await pass(280);
  expect(server.get<Pod>(pods, 'default/web-0')?.metadata.deletionTimestamp).toBeUndefined();
  await pass(30);
  expect(server.get<Pod>(pods, 'default/web-0')?.metadata.deletionTimestamp).toBeDefined();
  expect(server.get<Pod>(pods, 'default/web-0')?.status?.conditions).toMatchObject([
    { type: 'Ready' },
    { type: 'DisruptionTarget', reason: 'DeletionByTaintManager' },
  ]);
  expect(recorder.lines).toContain('Normal TaintManagerEviction Marking for deletion Pod default/web-0');
  expect(server.get<Pod>(pods, 'default/web-1')?.metadata.deletionTimestamp).toBeUndefined();
});

test('a node that comes back in time keeps its pods and loses its taints', async () => {
  const { server, alive, beat, pass, taintsOf, recorder, clock } = await threeNodes();
  server.put(pods, runningOn('web-0', 'worker-1'));
  alive.delete('worker-1');
  await pass(120);
  expect(taintsOf('worker-1')).toHaveLength(2);
  alive.add('worker-1');
  beat('worker-1');
  const stored = server.get<Node>(nodes, 'worker-1') ?? node('worker-1');
  const ready = {
    type: 'Ready',
    status: 'True',
    reason: 'KubeletReady',
    lastHeartbeatTime: new Date(clock.now()).toISOString(),
  };
  server.put(nodes, { ...stored, status: { ...stored.status, conditions: [ready] } });
  await pass(10);
  expect(taintsOf('worker-1')).toEqual([]);
  expect(recorder.lines).toContain('Normal TaintManagerEviction Cancelling deletion of Pod default/web-0');
  await pass(400);
  expect(server.get<Pod>(pods, 'default/web-0')?.metadata.deletionTimestamp).toBeUndefined();
});

test('when every node is silent nobody is evicted', async () => {
  const { server, alive, pass, taintsOf } = await threeNodes();
  server.put(pods, runningOn('web-0', 'worker-1', tolerating(30)));
  alive.clear();
  await pass(400);
  expect(taintsOf('worker-1')).toEqual(['node.kubernetes.io/unreachable:NoSchedule']);
  expect(server.get<Pod>(pods, 'default/web-0')?.metadata.deletionTimestamp).toBeUndefined();
});

test('cordon becomes a taint and back', async () => {
  const { server, taintsOf } = await threeNodes();
  const stored = server.get<Node>(nodes, 'worker-2') ?? node('worker-2');
  server.put(nodes, { ...stored, spec: { unschedulable: true } });
  await server.settle();
  expect(taintsOf('worker-2')).toEqual(['node.kubernetes.io/unschedulable:NoSchedule']);
  const cordoned = server.get<Node>(nodes, 'worker-2') ?? stored;
  server.put(nodes, { ...cordoned, spec: { taints: cordoned.spec.taints ?? [] } });
  await server.settle();
  expect(taintsOf('worker-2')).toEqual([]);
});

test('a NoExecute taint set by hand: intolerant pods go at once, tolerant ones stay', async () => {
  const { server } = await threeNodes();
  const tolerations = [{ key: 'maintenance', operator: 'Exists' }];
  server.put(pods, runningOn('stays', 'worker-3', tolerations));
  server.put(pods, runningOn('goes', 'worker-3'));
  await server.settle();
  const stored = server.get<Node>(nodes, 'worker-3') ?? node('worker-3');
  server.put(nodes, { ...stored, spec: { taints: [{ key: 'maintenance', effect: 'NoExecute' }] } });
  await server.settle();
  expect(server.get<Pod>(pods, 'default/goes')?.metadata.deletionTimestamp).toBeDefined();
  expect(server.get<Pod>(pods, 'default/stays')?.metadata.deletionTimestamp).toBeUndefined();
});
