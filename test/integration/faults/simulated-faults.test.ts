import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Node, Pod } from '#api/gen/types';
import { pods } from '#client/resources';
import type { FaultSpec } from '#machines/faults';
import { webDeployment, readyOf } from '../../harness/objects.ts';
import { deployments } from '#client/resources';
import { SteppedLab } from '../../harness/stepped-lab.ts';

const second = 1_000;
const hour = 3_600 * second;

let at: SteppedLab;
beforeAll(async () => {
  at = await SteppedLab.start(2);
  await at.client(deployments).create(at.context, webDeployment('web', 2));
  await at.until('both pods run', 30 * second, async () => (await at.pods()).every((pod) => readyOf(pod) === 'True'));
});
afterEach(async () => {
  for (const { id, state } of at.lab.faults.list())
    if (state === 'active') await at.drive(at.lab.faults.heal(at.context, id));
});
afterAll(() => at.close());

const add = (spec: FaultSpec, forMs = hour) => at.drive(at.lab.faults.add(at.context, spec, forMs));
const heal = (id: string) => at.drive(at.lab.faults.heal(at.context, id));
const condition = (node: Node, type: string): string | undefined =>
  node.status?.conditions?.find((one) => one.type === type)?.status;
const untilReady = (name: string, status: string, limitMs = 120 * second): Promise<number> =>
  at.until(`${name} is ${status}`, limitMs, async () => readyOf(await at.node(name)) === status);

async function podOn(node: string): Promise<Pod> {
  const find = async () => (await at.pods()).find((pod) => pod.spec.nodeName === node && readyOf(pod) === 'True');
  await at.until(`a pod runs on ${node}`, 60 * second, async () => (await find()) !== undefined);
  const found = await find();
  if (!found) throw new Error(`no pod on ${node}`);
  return found;
}

/** A connection from one node's own network to a pod of the other. */
async function reaches(from: string, pod: Pod): Promise<boolean> {
  const limit = at.context.withTimeout(at.clock, 5 * second);
  try {
    const dialed = at.lab.worker(from).dial(limit.context, { ip: pod.status?.podIP ?? '', port: 80 });
    (await at.drive(dialed)).destroy();
    return true;
  } catch {
    return false;
  } finally {
    limit.cancel();
  }
}

test.each([
  ['pause', 'is frozen', 'paused'],
  ['kill', 'lost power', 'killed'],
  ['stop', 'was stopped', 'stopped'],
] as const)('%s: the node is silent, and comes back when healed', async (action, text, state) => {
  const fault = await add({ kind: 'node', node: 'worker-2', action });
  expect(fault).toMatchObject({ state: 'active', text: `worker-2 ${text}` });
  expect(at.lab.worker('worker-2').state).toBe(state);
  expect(await untilReady('worker-2', 'Unknown')).toBeGreaterThan(30 * second);
  await heal(fault.id);
  await untilReady('worker-2', 'True');
  expect(at.lab.faults.list().find(({ id }) => id === fault.id)?.state).toBe('healed');
});

test('pause loses nothing: the containers are the same afterwards', async () => {
  const seen = async () => at.client<Pod>(pods).get(at.context, 'default', 'pinned');
  const spec = { nodeName: 'worker-2', containers: [{ name: 'web', image: 'nginx' }] };
  await at
    .client<Pod>(pods)
    .create(at.context, { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'pinned', namespace: 'default' }, spec });
  await at.until('it runs', 30 * second, async () => readyOf(await seen()) === 'True');
  const [before] = (await seen()).status?.containerStatuses ?? [];
  const fault = await add({ kind: 'node', node: 'worker-2', action: 'pause' });
  await at.pass(20 * second);
  await heal(fault.id);
  await at.pass(15 * second);
  const [after] = (await seen()).status?.containerStatuses ?? [];
  expect(after).toMatchObject({ containerID: before?.containerID, restartCount: 0, ready: true });
});

test('a restart is over by itself', async () => {
  const fault = await add({ kind: 'node', node: 'worker-2', action: 'restart' });
  await at.until(
    'it is over',
    30 * second,
    async () => at.lab.faults.list().find(({ id }) => id === fault.id)?.state === 'healed',
  );
  expect(at.lab.worker('worker-2').state).toBe('running');
});

test('a fault heals by itself when its time is over', async () => {
  const fault = await add({ kind: 'process', node: 'worker-1', process: 'kube-proxy' }, 30 * second);
  const proxy = async () =>
    (await at.lab.worker('worker-1').components(at.context)).find(({ kind }) => kind === 'kube-proxy');
  expect((await proxy())?.state).toBe('crashed');
  await at.pass(29 * second);
  expect((await proxy())?.state).toBe('crashed');
  await at.pass(2 * second);
  expect((await proxy())?.state).toBe('running');
  expect(at.lab.faults.list().find(({ id }) => id === fault.id)?.state).toBe('healed');
});

test('a kubelet that is held down says nothing until healed', async () => {
  const fault = await add({ kind: 'process', node: 'worker-1', process: 'kubelet' });
  await untilReady('worker-1', 'Unknown');
  await heal(fault.id);
  await untilReady('worker-1', 'True');
});

test('a dead runtime makes the node NotReady, and its containers go on', async () => {
  const fault = await add({ kind: 'process', node: 'worker-1', process: 'containerd' });
  await untilReady('worker-1', 'False', 200 * second);
  await heal(fault.id);
  await untilReady('worker-1', 'True');
});

test('a cut between two nodes: packets of neither arrive, the API server sees both', async () => {
  const pod = await podOn('worker-2');
  expect(await reaches('worker-1', pod)).toBe(true);
  const fault = await add({ kind: 'cut', from: 'worker-1', to: 'worker-2' });
  expect(await reaches('worker-1', pod)).toBe(false);
  await at.pass(60 * second);
  expect([readyOf(await at.node('worker-1')), readyOf(await at.node('worker-2'))]).toEqual(['True', 'True']);
  await heal(fault.id);
  expect(await reaches('worker-1', pod)).toBe(true);
});

test('a cut to the API server, both ways and one way', async () => {
  for (const spec of [
    { kind: 'cut', from: 'worker-1', to: 'api' },
    { kind: 'cut', from: 'api', to: 'worker-1', oneWay: true },
  ] as const) {
    const fault = await add(spec);
    await untilReady('worker-1', 'Unknown');
    await heal(fault.id);
    await untilReady('worker-1', 'True');
  }
});

test('latency, loss and rate change how long connections take', async () => {
  const pod = await podOn('worker-2');
  const took = async (): Promise<number> => {
    const sinceMs = at.clock.now();
    const dialed = at.lab.worker('worker-1').dial(at.context, { ip: pod.status?.podIP ?? '', port: 80 });
    (await at.drive(dialed)).destroy();
    return at.clock.now() - sinceMs;
  };
  const soundMs = await took();
  const slow = await add({ kind: 'shape', from: 'worker-1', to: 'worker-2', latencyMs: 400 });
  expect(await took()).toBeGreaterThanOrEqual(soundMs + 390);
  await heal(slow.id);
  expect(await took()).toBeLessThan(300);
  await add({ kind: 'shape', from: 'worker-1', lossPercent: 100 });
  expect(await reaches('worker-1', pod)).toBe(false);
});

test.each([
  ['DiskPressure', { kind: 'disk', node: 'worker-1', freePercent: 5 }],
  ['MemoryPressure', { kind: 'memory', node: 'worker-1', bytes: 8 * 1024 ** 3 }],
  ['PIDPressure', { kind: 'pids', node: 'worker-1', count: 32_000 }],
] as const)('%s', async (type, spec) => {
  const fault = await add(spec);
  await at.until(`${type} is True`, 60 * second, async () => condition(await at.node('worker-1'), type) === 'True');
  await heal(fault.id);
  await at.until(`${type} is False`, 400 * second, async () => condition(await at.node('worker-1'), type) === 'False');
});

test('what cannot be, and what makes no sense, is said in one line', async () => {
  await expect(add({ kind: 'process', node: 'worker-1', process: 'network' })).rejects.toThrow(
    /worker-1 is simulated: no network/,
  );
  await expect(add({ kind: 'cut', from: 'worker-1', to: 'worker-1' })).rejects.toThrow(/a link needs two ends/);
  await expect(add({ kind: 'dns', node: 'nobody' })).rejects.toThrow(/there is no node nobody/);
  await expect(at.lab.faults.heal(at.context, 'f-999')).rejects.toThrow(/there is no fault f-999/);
});
