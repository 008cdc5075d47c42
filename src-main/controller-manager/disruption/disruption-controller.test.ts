import { describe, expect, test } from 'vitest';
import type { OwnerReference, Pod, PodDisruptionBudget } from '#api/gen/types';
import { formatTime } from '#base/clock';
import type { KubeObject } from '#api/machinery/object';
import { deployments, podDisruptionBudgets, pods, replicaSets, statefulSets } from '#client/resources';
import { meta, template, workloadFixture } from '../testing/workload-fixture.ts';
import { DisruptionController } from './disruption-controller.ts';

type Spec = PodDisruptionBudget['spec'];

function owned(by: KubeObject): readonly OwnerReference[] {
  const { name = '', uid = '' } = by.metadata;
  return [{ apiVersion: by.apiVersion, kind: by.kind, name, uid, controller: true }];
}

async function run(spec: Spec) {
  const fixture = workloadFixture();
  const { server, options, setPod, pass } = fixture;
  server.put(podDisruptionBudgets, {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata: meta('web'),
    spec: { selector: { matchLabels: { app: 'web' } }, ...spec },
  });
  const controller = new DisruptionController(options);
  const budget = (): PodDisruptionBudget | undefined =>
    server.get<PodDisruptionBudget>(podDisruptionBudgets, 'default/web');
  const owner = (
    kind: 'Deployment' | 'ReplicaSet' | 'StatefulSet',
    name: string,
    replicas: number,
    by?: KubeObject,
  ) => {
    const resource = { Deployment: deployments, ReplicaSet: replicaSets, StatefulSet: statefulSets }[kind];
    const metadata = meta(name, { uid: `uid-${name}`, ...(by ? { ownerReferences: owned(by) } : {}) });
    const object = { apiVersion: 'apps/v1', kind, metadata, spec: { replicas, template: template() } };
    server.put(resource, object);
    return object;
  };
  /** Adds pods `<prefix>-<n>`, the first `ready` of `count` of them Ready. */
  const addPods = (count: number, ready: number, by?: KubeObject, prefix = 'pod'): void => {
    for (let i = 0; i < count; i++) {
      const metadata = { ...template().metadata, name: `${prefix}-${i}`, namespace: 'default' };
      const references = by ? { ownerReferences: owned(by) } : {};
      const pod: Pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { ...metadata, ...references },
        spec: template().spec,
      };
      setPod(pod, 'Running', i < ready);
    }
  };
  /** What the API server does when it grants an eviction. */
  const grant = (pod: string): void => {
    const current = budget();
    if (!current) return;
    const status = {
      ...current.status,
      disruptionsAllowed: 0,
      disruptedPods: { [pod]: formatTime(fixture.clock.now()) },
    };
    server.put(podDisruptionBudgets, { ...current, status });
  };
  const begin = async (): Promise<void> => fixture.begin(controller);
  return { ...fixture, controller, budget, owner, addPods, grant, begin, pass };
}

describe('DisruptionController', () => {
  test('an integer minAvailable counts the pods themselves', async () => {
    const { begin, addPods, budget, controller, recorder } = await run({ minAvailable: 2 });
    addPods(4, 3);
    await begin();
    expect(budget()?.status).toEqual({
      observedGeneration: 1,
      expectedPods: 4,
      currentHealthy: 3,
      desiredHealthy: 2,
      disruptionsAllowed: 1,
      conditions: [
        {
          type: 'DisruptionAllowed',
          status: 'True',
          observedGeneration: 1,
          lastTransitionTime: '2026-01-01T00:00:00Z',
          reason: 'SufficientPods',
          message: '',
        },
      ],
    });
    expect(recorder.lines).toEqual([]);
    await controller.stop();
  });

  test('follows readiness, and writes nothing when nothing changed', async () => {
    const { begin, addPods, budget, activePods, setPod, pass, server } = await run({ minAvailable: 2 });
    addPods(2, 2);
    await begin();
    expect(budget()?.status).toMatchObject({ disruptionsAllowed: 0, currentHealthy: 2 });
    const [first] = activePods();
    server.requests.length = 0;
    if (first) setPod({ ...first, metadata: { ...first.metadata, annotations: { note: 'x' } } });
    await pass();
    expect(server.requests).toEqual([]);
    addPods(1, 1, undefined, 'more');
    await pass();
    expect(budget()?.status).toMatchObject({ disruptionsAllowed: 1, currentHealthy: 3, expectedPods: 3 });
  });

  test.each([
    { spec: { minAvailable: '50%' }, desiredHealthy: 3, disruptionsAllowed: 1 },
    { spec: { maxUnavailable: '25%' }, desiredHealthy: 3, disruptionsAllowed: 1 },
    { spec: { maxUnavailable: 1 }, desiredHealthy: 4, disruptionsAllowed: 0 },
    { spec: { maxUnavailable: 9 }, desiredHealthy: 0, disruptionsAllowed: 4 },
  ])('$spec is a share of the Deployment, however many ReplicaSets it has', async ({ spec, ...expected }) => {
    const { begin, owner, addPods, budget } = await run(spec);
    const deployment = owner('Deployment', 'web', 5);
    addPods(3, 3, owner('ReplicaSet', 'old', 3, deployment), 'old');
    addPods(2, 1, owner('ReplicaSet', 'new', 2, deployment), 'new');
    await begin();
    expect(budget()?.status).toMatchObject({ expectedPods: 5, currentHealthy: 4, ...expected });
  });

  test('adds up the scales of different owners', async () => {
    const { begin, owner, addPods, budget } = await run({ maxUnavailable: 2 });
    addPods(3, 3, owner('StatefulSet', 'db', 3), 'db');
    addPods(1, 1, owner('ReplicaSet', 'lone', 4), 'lone');
    await begin();
    expect(budget()?.status).toMatchObject({ expectedPods: 7, desiredHealthy: 5, currentHealthy: 4 });
  });

  test('pods without a controller are counted by no share, and an event says so', async () => {
    const { begin, addPods, budget, recorder } = await run({ maxUnavailable: 1 });
    addPods(2, 2);
    await begin();
    expect(budget()?.status).toMatchObject({ expectedPods: 0, disruptionsAllowed: 0 });
    expect(recorder.lines[0]).toMatch(
      /^Warning UnmanagedPods Pods selected by this PodDisruptionBudget \(selector: &LabelSelector\{MatchLabels:map\[string\]string\{app: web,\},MatchExpressions:\[\]LabelSelectorRequirement\{\},\}\) were found to be unmanaged\./,
    );
  });

  test('a controller without a scale fails the sync and allows nothing', async () => {
    const { begin, addPods, budget, recorder } = await run({ maxUnavailable: 1 });
    addPods(1, 1, { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'agent', uid: 'd1' } });
    await begin();
    const text = 'daemonsets.apps does not implement the scale subresource';
    expect(budget()?.status).toMatchObject({
      disruptionsAllowed: 0,
      conditions: [{ type: 'DisruptionAllowed', status: 'False', reason: 'SyncFailed', message: text }],
    });
    expect(recorder.lines[0]).toBe(
      `Warning CalculateExpectedPodCountFailed Failed to calculate the number of expected pods: ${text}`,
    );
  });

  test('a budget over no pods allows nothing', async () => {
    const { begin, budget, recorder } = await run({ maxUnavailable: 1 });
    await begin();
    expect(budget()?.status).toMatchObject({ expectedPods: 0, disruptionsAllowed: 0, observedGeneration: 1 });
    expect(recorder.lines[0]).toBe('Normal NoPods No matching pods found');
  });

  test('a granted eviction counts as gone until the pod goes', async () => {
    const { begin, addPods, budget, grant, pass, server } = await run({ minAvailable: 1 });
    addPods(3, 3);
    await begin();
    grant('pod-0');
    await pass();
    expect(budget()?.status).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 1 });
    expect(Object.keys(budget()?.status?.disruptedPods ?? {})).toEqual(['pod-0']);
    server.remove(pods, 'default/pod-0');
    await pass();
    expect(budget()?.status).toMatchObject({ currentHealthy: 2, disruptionsAllowed: 1, expectedPods: 2 });
    expect(budget()?.status?.disruptedPods).toBeUndefined();
  });

  test('a granted eviction that deletes nothing is forgotten after two minutes', async () => {
    const { begin, addPods, budget, grant, pass, recorder } = await run({ minAvailable: 1 });
    addPods(3, 3);
    await begin();
    grant('pod-0');
    await pass(119_000);
    expect(budget()?.status?.disruptedPods).toBeDefined();
    await pass(3_000);
    expect(budget()?.status).toMatchObject({ currentHealthy: 3, disruptionsAllowed: 2 });
    expect(budget()?.status?.disruptedPods).toBeUndefined();
    expect(recorder.lines).toEqual([
      "Warning NotDeleted Pod was expected by PDB default/web to be deleted but it wasn't",
    ]);
  });
});
