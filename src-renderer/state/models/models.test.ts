import { describe, expect, it } from 'vitest';
import type { Lease, Node, Pod, ReplicaSet } from '#api/gen/types';
import type { MachineTruth } from '#contract/labs';
import { nodeShares, podRequests } from './capacity.view-model.ts';
import { diffJson } from './diff.view-model.ts';
import { fuzzyScore } from './fuzzy.view-model.ts';
import { labHealth, leaseAgeMs, nodeHealth, nodeImages, nodeKind } from './node.view-model.ts';
import { HueAllocator, hues, ownerOf } from './owner.view-model.ts';
import { podLook, shortName, waitingReason } from './pod.view-model.ts';
import { clockTime, duration } from './time.view-model.ts';
import { nodeTimers, tolerationSeconds } from './timers.view-model.ts';

const startMs = Date.UTC(2026, 0, 1);
const at = (seconds: number): string => new Date(startMs + seconds * 1000).toISOString();

function pod(status: Pod['status'], extra: Partial<Pod> = {}): Pod {
  const metadata = { name: 'web-0', namespace: 'default', uid: 'u1' };
  const spec = { containers: [], nodeName: 'worker-1' };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec, ...extra, status };
}

const ready = (status: string, transition = 0): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'worker-1', labels: { 'topology.kubernetes.io/zone': 'a' } },
  spec: {},
  status: { conditions: [{ type: 'Ready', status, lastTransitionTime: at(transition) }] },
});

const machine = (state: MachineTruth['state']): MachineTruth => ({
  kind: 'machine',
  id: 'machine/worker-1',
  name: 'worker-1',
  role: 'worker',
  driver: 'embedded',
  address: '10.0.0.1',
  state,
  sinceMs: startMs,
});

const running = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };

describe('podLook', () => {
  it('says what kubectl would, with a shape', () => {
    const waiting = (reason: string) => ({ phase: 'Pending', containerStatuses: [status({ waiting: { reason } })] });
    const status = (state: object) => ({ name: 'c', image: 'i', imageID: '', ready: false, restartCount: 0, state });
    expect(podLook(pod(running), false)).toMatchObject({ shape: 'solid', tone: 'ok', word: 'Ready' });
    expect(podLook(pod({ phase: 'Running' }), false)).toMatchObject({ tone: 'warn', word: 'Not ready' });
    expect(podLook(pod(waiting('ContainerCreating')), false)).toMatchObject({ shape: 'dashed', word: 'Starting' });
    expect(podLook(pod(waiting('ImagePullBackOff')), false)).toMatchObject({ tone: 'bad', word: 'ImagePullBackOff' });
    expect(podLook(pod({ ...running, ...waiting('CrashLoopBackOff'), phase: 'Running' }), false)).toMatchObject({
      tone: 'bad',
      word: 'CrashLoopBackOff',
    });
    expect(podLook(pod({ phase: 'Succeeded' }), false)).toMatchObject({ shape: 'done', word: 'Completed' });
    expect(podLook(pod({ phase: 'Failed', reason: 'Evicted' }), true)).toMatchObject({ tone: 'bad', word: 'Evicted' });
  });

  it('tells a pod that no node fits from one that is not scheduled yet', () => {
    const spec = { containers: [] };
    const conditions = [{ type: 'PodScheduled', status: 'False' }];
    expect(podLook(pod({ phase: 'Pending' }, { spec }), false)).toMatchObject({ shape: 'dashed', word: 'Pending' });
    expect(podLook(pod({ phase: 'Pending', conditions }, { spec }), false).word).toBe('Unschedulable');
  });

  it('doubts what is believed of a machine that is gone', () => {
    expect(podLook(pod(running), true)).toMatchObject({ shape: 'dotted', tone: 'bad', word: 'Running?' });
    const going = pod(running, { metadata: { name: 'web-0', deletionTimestamp: at(0) } });
    expect(podLook(going, true).word).toBe('Terminating?');
    expect(podLook(going, false)).toMatchObject({ shape: 'fading', word: 'Terminating' });
  });

  it('shortens names and passes on the scheduler’s reason', () => {
    expect(shortName('web-7d4b9c-x2x9k', 'web')).toBe('web-x2x9k');
    expect(shortName('db-0', 'db')).toBe('db-0');
    expect(shortName('lone', 'lone')).toBe('lone');
    const message = '0/3 nodes are available: 3 Insufficient cpu.';
    const conditions = [{ type: 'PodScheduled', status: 'False', message }];
    expect(waitingReason(pod({ phase: 'Pending', conditions }))).toBe(message);
  });
});

describe('owners', () => {
  it('are the Deployment above a ReplicaSet', () => {
    const owner = (kind: string, uid: string, name: string) => ({
      apiVersion: 'apps/v1',
      kind,
      uid,
      name,
      controller: true,
    });
    const metadata = { name: 'web-1', uid: 'p', ownerReferences: [owner('ReplicaSet', 'rs', 'web-7d4')] };
    const set = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'web-7d4', ownerReferences: [owner('Deployment', 'd', 'web')] },
      spec: { selector: {} },
    } satisfies ReplicaSet;
    expect(ownerOf(pod({}, { metadata }), () => set)).toEqual({ uid: 'd', kind: 'Deployment', name: 'web' });
    expect(ownerOf(pod({}, { metadata }), () => undefined).uid).toBe('rs');
    expect(ownerOf(pod({}), () => undefined)).toMatchObject({ kind: 'Pod', uid: 'u1' });
  });

  it('have hues of their own while there are enough, and keep them', () => {
    const allocator = new HueAllocator();
    const given = hues.map((_hue, index) => allocator.hueOf(`owner-${index}`));
    expect(new Set(given).size).toBe(hues.length);
    expect(hues.map((_hue, index) => allocator.hueOf(`owner-${index}`))).toEqual(given);
    expect(hues).toContain(allocator.hueOf('one too many'));
    expect(new HueAllocator().hueOf('owner-0')).toBe(given[0]);
  });
});

describe('nodeHealth', () => {
  it('says what a node is, and which images it has', () => {
    expect(nodeKind(undefined, machine('running'))).toMatchObject({ id: 'embedded', text: 'sim' });
    const ssh = { ...machine('running'), driver: 'ssh', target: 'jane@10.0.0.7' } as const;
    expect(nodeKind(undefined, ssh)?.text).toBe('ssh jane@10.0.0.7');
    expect(nodeKind(ready('True'), undefined)).toBeUndefined();
    const images = [
      { names: ['pause@sha256:1', 'pause:3.10'], sizeBytes: 3 },
      { names: ['nginx:1.29'], sizeBytes: 70 },
    ];
    expect(nodeImages({ ...ready('True'), status: { images } })).toEqual([
      { name: 'nginx:1.29', sizeBytes: 70 },
      { name: 'pause:3.10', sizeBytes: 3 },
    ]);
  });

  it('is what the API server says, and doubted when the machine is gone', () => {
    expect(nodeHealth(ready('True'), machine('running'), startMs)).toMatchObject({ state: 'ready', word: 'Ready' });
    expect(nodeHealth(ready('True'), machine('killed'), startMs)).toMatchObject({
      state: 'believed',
      word: 'Ready?',
      gone: true,
    });
    expect(nodeHealth(ready('Unknown', 50), machine('killed'), startMs + 78_000)).toMatchObject({
      state: 'not-ready',
      word: 'NotReady 28 s',
    });
    expect(nodeHealth(undefined, machine('running'), startMs)).toMatchObject({ state: 'joining' });
    expect(nodeHealth(ready('True'), machine('paused'), startMs)).toMatchObject({
      ...{ state: 'believed', doubt: 'paused', gone: false },
    });
    expect(nodeHealth(ready('Unknown'), machine('unreachable'), startMs)).toMatchObject({
      ...{ state: 'not-ready', doubt: 'unreachable', gone: false },
    });
  });

  it('of all nodes is the health of the lab', () => {
    const one = nodeHealth(ready('True'), machine('running'), startMs);
    const down = nodeHealth(ready('Unknown'), machine('killed'), startMs);
    const whole = { tone: 'ok', down: [] } as const;
    expect(labHealth([one, one], whole)).toEqual({ tone: 'ok', words: 'Healthy: 2 of 2 nodes Ready' });
    expect(labHealth([one, down], whole)).toEqual({ tone: 'warn', words: 'Degraded: 1 of 2 nodes Ready' });
    expect(labHealth([one], { tone: 'bad', down: ['etcd'] })).toEqual({
      tone: 'bad',
      words: 'etcd down · 1 of 1 nodes Ready',
    });
    expect(labHealth([], whole).words).toBe('No nodes yet');
  });

  it('tells the age of its lease', () => {
    const lease = {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {},
      spec: { renewTime: at(10) },
    } as Lease;
    expect(leaseAgeMs(lease, startMs + 14_000)).toBe(4000);
    expect(leaseAgeMs(undefined, startMs)).toBeUndefined();
  });
});

describe('nodeShares', () => {
  const asking = (cpu: string, memory: string) => ({ name: 'c', resources: { requests: { cpu, memory } } });

  it('counts requests as the scheduler does, without finished pods', () => {
    const spec = {
      containers: [asking('250m', '128Mi'), asking('250m', '128Mi')],
      initContainers: [asking('1', '64Mi')],
    };
    expect(podRequests(pod({}, { spec }))).toEqual({ cpu: 1000, memory: 256 * 1024 ** 2 });
    const node = { ...ready('True'), status: { allocatable: { cpu: '2', memory: '2Gi', pods: '110' } } };
    const shares = nodeShares(node, [pod(running, { spec }), pod({ phase: 'Succeeded' }, { spec })]);
    expect(shares.map((one) => one.text)).toEqual(['1 / 2', '0.3 / 2 Gi', '1 / 110']);
    expect(shares.map((one) => one.fraction)).toEqual([0.5, 0.125, 1 / 110]);
  });
});

describe('nodeTimers', () => {
  const key = 'node.kubernetes.io/unreachable';
  const tolerating = (seconds?: number) => ({
    containers: [],
    tolerations: [
      {
        key,
        operator: 'Exists',
        effect: 'NoExecute',
        ...(seconds === undefined ? {} : { tolerationSeconds: seconds }),
      },
    ],
  });
  const common = { ownerName: () => 'web', leaseRenewedMs: startMs, monitorGraceMs: 50_000 };

  it('waits for the grace period first', () => {
    const timers = nodeTimers({ ...common, node: ready('True'), pods: [], nowMs: startMs + 20_000 });
    expect(timers).toMatchObject([
      { id: 'grace', leftMs: 30_000, fraction: 0.6, setting: 'node-monitor-grace-period 50s' },
    ]);
  });

  it('then counts each toleration down, and says what no time will end', () => {
    const node = { ...ready('Unknown'), spec: { taints: [{ key, effect: 'NoExecute', timeAdded: at(50) }] } };
    const stuck = pod(running, { metadata: { name: 'db-1', deletionTimestamp: at(60) }, spec: tolerating(0) });
    const pods = [pod(running, { spec: tolerating(300) }), pod(running, { spec: tolerating() }), stuck];
    const timers = nodeTimers({ ...common, node, pods, nowMs: startMs + 78_000 });
    expect(timers.map((timer) => [timer.id, timer.leftMs])).toEqual([
      ['evict-300', 272_000],
      ['never', undefined],
      ['stuck', undefined],
    ]);
    expect(clockTime(272_000)).toBe('4:32');
    expect(tolerationSeconds(pod({}), key)).toBe(0);
  });
});

describe('diffJson', () => {
  it('tells changed leaves by path, named items by name, and leaves noise out', () => {
    const before = {
      metadata: { resourceVersion: '1' },
      status: { phase: 'Pending', conditions: [{ type: 'A', status: 'False' }] },
    };
    const after = {
      metadata: { resourceVersion: '2' },
      status: {
        phase: 'Running',
        conditions: [
          { type: 'B', status: 'True' },
          { type: 'A', status: 'True' },
        ],
      },
    };
    expect(diffJson(before, after)).toEqual([
      { sign: '-', path: 'status.phase', text: 'Pending' },
      { sign: '+', path: 'status.phase', text: 'Running' },
      { sign: '-', path: 'status.conditions[A].status', text: 'False' },
      { sign: '+', path: 'status.conditions[A].status', text: 'True' },
      { sign: '+', path: 'status.conditions[B]', text: '{"type":"B","status":"True"}' },
    ]);
    expect(diffJson(after, after)).toEqual([]);
  });
});

describe('words and times', () => {
  it('are short', () => {
    expect([28_000, 240_000, 3 * 3_600_000, 72 * 3_600_000].map(duration)).toEqual(['28 s', '4 min', '3 h', '3 d']);
    expect(clockTime(3_849_000)).toBe('1:04:09');
  });

  it('are found by their beginnings', () => {
    expect(fuzzyScore('kw2', 'Kill worker-2')).toBeGreaterThan(fuzzyScore('kw2', 'Look w x 2') ?? 0);
    expect(fuzzyScore('zzz', 'Kill worker-2')).toBeUndefined();
    expect(fuzzyScore('', 'anything')).toBeLessThanOrEqual(0);
  });
});
