import { describe, expect, test } from 'vitest';
import type { Pod, ReplicaSet } from '#api/gen/types';
import { StatusError } from '#api/machinery/status';
import { pods, replicaSets } from '#client/resources';
import { meta, template, workloadFixture } from '../testing/workload-fixture.ts';
import { ReplicaSetController } from './replica-set-controller.ts';

function replicaSet(replicas: number, spec: Partial<ReplicaSet['spec']> = {}): ReplicaSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: meta('web'),
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template: template(), ...spec },
  };
}

async function run(initial: ReplicaSet) {
  const fixture = workloadFixture();
  fixture.server.put(replicaSets, initial);
  const controller = new ReplicaSetController(fixture.options);
  const read = (): ReplicaSet | undefined => fixture.server.get<ReplicaSet>(replicaSets, 'default/web');
  return { ...fixture, controller, read };
}

describe('ReplicaSetController', () => {
  test('creates pods, says so and counts them in the status', async () => {
    const { begin, controller, recorder, activePods, readyAll, pass, read } = await run(replicaSet(3));
    await begin(controller);
    expect(activePods()).toHaveLength(3);
    expect(recorder.lines).toHaveLength(3);
    expect(recorder.lines[0]).toMatch(/^Normal SuccessfulCreate Created pod: web-[a-z0-9]{5}$/);
    expect(activePods()[0]?.metadata.ownerReferences?.[0]).toMatchObject({
      kind: 'ReplicaSet',
      name: 'web',
      controller: true,
    });
    readyAll();
    await pass();
    expect(read()?.status).toEqual({
      replicas: 3,
      fullyLabeledReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      terminatingReplicas: 0,
      observedGeneration: 1,
    });
    await controller.stop();
  });

  test('500 pods take ten rounds of creates and no more than a few status writes', async () => {
    const { begin, controller, server, activePods, readyAll, pass, read } = await run(replicaSet(500));
    await begin(controller);
    expect(activePods()).toHaveLength(500);
    server.requests.length = 0;
    readyAll();
    await pass();
    expect(read()?.status?.availableReplicas).toBe(500);
    expect(server.requests.length).toBeLessThan(5);
  });

  test('scaling down takes the pending pod first', async () => {
    const { begin, controller, server, recorder, activePods, setPod, pass, read } = await run(replicaSet(3));
    await begin(controller);
    const [first, second, third] = activePods();
    for (const pod of [first, third]) if (pod) setPod({ ...pod, spec: { ...pod.spec, nodeName: 'n1' } });
    await pass();
    const current = read();
    if (current) server.put(replicaSets, { ...current, spec: { ...current.spec, replicas: 2 } });
    await pass();
    expect(activePods().map(({ metadata }) => metadata.name)).not.toContain(second?.metadata.name);
    expect(activePods()).toHaveLength(2);
    expect(recorder.lines.at(-1)).toBe(`Normal SuccessfulDelete Deleted pod: ${second?.metadata.name}`);
  });

  test('adopts a matching orphan and releases a pod whose labels changed', async () => {
    const { begin, controller, server, activePods, pass } = await run(replicaSet(2));
    const orphan: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...template().metadata, name: 'stray', namespace: 'default' },
      spec: template().spec,
    };
    server.put(pods, orphan);
    await begin(controller);
    expect(activePods()).toHaveLength(2);
    const adopted = server.get<Pod>(pods, 'default/stray');
    expect(adopted?.metadata.ownerReferences?.[0]?.name).toBe('web');
    if (adopted) server.put(pods, { ...adopted, metadata: { ...adopted.metadata, labels: { app: 'debug' } } });
    await pass();
    expect(server.get<Pod>(pods, 'default/stray')?.metadata.ownerReferences).toEqual([]);
    expect(activePods()).toHaveLength(3);
  });

  test('a refused create costs one call, is reported and tried again', async () => {
    const { begin, controller, server, recorder, activePods, pass, read } = await run(replicaSet(8));
    let refusing = true;
    server.react(({ method, path }) =>
      refusing && method === 'POST' && path.endsWith('/pods')
        ? new StatusError('Forbidden', 'exceeded quota')
        : undefined,
    );
    await begin(controller);
    expect(recorder.lines[0]).toBe('Warning FailedCreate Error creating: exceeded quota');
    expect(read()?.status?.conditions?.[0]).toMatchObject({
      type: 'ReplicaFailure',
      status: 'True',
      reason: 'FailedCreate',
      message: 'exceeded quota',
    });
    refusing = false;
    await pass(1_000);
    expect(activePods()).toHaveLength(8);
    expect(read()?.status?.conditions).toBeUndefined();
  });

  test('a pod becomes available minReadySeconds after it became ready', async () => {
    const { begin, controller, readyAll, pass, read } = await run(replicaSet(1, { minReadySeconds: 10 }));
    await begin(controller);
    readyAll();
    await pass(1_000);
    expect(read()?.status).toMatchObject({ readyReplicas: 1 });
    expect(read()?.status?.availableReplicas).toBeUndefined();
    await pass(10_000);
    expect(read()?.status?.availableReplicas).toBe(1);
  });
});
