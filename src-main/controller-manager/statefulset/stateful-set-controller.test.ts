import { describe, expect, test } from 'vitest';
import type { ControllerRevision, Pod, StatefulSet } from '#api/gen/types';
import { StatusError } from '#api/machinery/status';
import { controllerRevisions, pods, statefulSets } from '#client/resources';
import { meta, template, workloadFixture } from '../testing/workload-fixture.ts';
import { StatefulSetController } from './stateful-set-controller.ts';

function statefulSet(replicas: number, spec: Partial<StatefulSet['spec']> = {}): StatefulSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: meta('db'),
    spec: {
      replicas,
      serviceName: 'db',
      selector: { matchLabels: { app: 'web' } },
      template: template(),
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
      ...spec,
    },
  };
}

function lab(initial: StatefulSet) {
  const fixture = workloadFixture();
  fixture.server.put(statefulSets, initial);
  const controller = new StatefulSetController(fixture.options);
  const read = (): StatefulSet => {
    const found = fixture.server.get<StatefulSet>(statefulSets, 'default/db');
    if (!found) throw new Error('the set is gone');
    return found;
  };
  return {
    ...fixture,
    read,
    begin: () => fixture.begin(controller),
    names: () =>
      fixture
        .activePods()
        .map(({ metadata }) => metadata.name)
        .sort(),
    images: () =>
      Object.fromEntries(fixture.activePods().map((pod) => [pod.metadata.name, pod.spec.containers[0]?.image])),
    change: (spec: Partial<StatefulSet['spec']>) => {
      const now = read();
      const metadata = { ...now.metadata, generation: (now.metadata.generation ?? 0) + 1 };
      fixture.server.put(statefulSets, { ...now, metadata, spec: { ...now.spec, ...spec } });
    },
    finish: async () => {
      for (let before = -1; before !== fixture.server.revision;) {
        before = fixture.server.revision;
        fixture.readyAll();
        await fixture.pass(100);
      }
    },
  };
}

describe('StatefulSetController', () => {
  test('starts one pod after the other, with stable names and identities', async () => {
    const { begin, names, readyAll, pass, recorder, server, read } = lab(statefulSet(3));
    await begin();
    expect(names()).toEqual(['db-0']);
    readyAll();
    await pass();
    expect(names()).toEqual(['db-0', 'db-1']);
    await pass(5_000);
    expect(names()).toEqual(['db-0', 'db-1']);
    readyAll();
    await pass();
    readyAll();
    await pass();
    expect(names()).toEqual(['db-0', 'db-1', 'db-2']);
    expect(recorder.lines).toEqual(
      [0, 1, 2].map((n) => `Normal SuccessfulCreate create Pod db-${n} in StatefulSet db successful`),
    );
    const [revision] = server.all<ControllerRevision>(controllerRevisions);
    expect(revision?.revision).toBe(1);
    const pod = server.get<Pod>(pods, 'default/db-1');
    expect(pod?.metadata.labels).toEqual({
      app: 'web',
      'statefulset.kubernetes.io/pod-name': 'db-1',
      'apps.kubernetes.io/pod-index': '1',
      'controller-revision-hash': revision?.metadata.name,
    });
    expect(pod?.spec).toMatchObject({ hostname: 'db-1', subdomain: 'db' });
    expect(read().status).toEqual({
      observedGeneration: 1,
      replicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
      currentReplicas: 3,
      updatedReplicas: 3,
      currentRevision: revision?.metadata.name,
      updateRevision: revision?.metadata.name,
      collisionCount: 0,
    });
  });

  test('scales down from the highest ordinal, one at a time', async () => {
    const { begin, names, finish, change, pass, setPod, server, reap, recorder } = lab(statefulSet(3));
    await begin();
    await finish();
    for (const pod of server.all<Pod>(pods)) setPod({ ...pod, spec: { ...pod.spec, nodeName: 'n1' } });
    await pass();
    change({ replicas: 1 });
    await pass(1_000);
    expect(names()).toEqual(['db-0', 'db-1']);
    reap();
    await pass(1_000);
    reap();
    await pass();
    expect(names()).toEqual(['db-0']);
    expect(recorder.lines.slice(-2)).toEqual(
      [2, 1].map((n) => `Normal SuccessfulDelete delete Pod db-${n} in StatefulSet db successful`),
    );
  });

  test('rolls an update down to the partition and remembers both revisions', async () => {
    const { begin, images, finish, change, read, pass } = lab(statefulSet(3));
    await begin();
    await finish();
    const before = read().status?.currentRevision;
    change({
      template: template('web', 'nginx:2'),
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } },
    });
    await pass();
    await finish();
    expect(images()).toEqual({ 'db-0': 'nginx:1', 'db-1': 'nginx:1', 'db-2': 'nginx:2' });
    expect(read().status).toMatchObject({ currentRevision: before, currentReplicas: 2, updatedReplicas: 1 });
    change({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } } });
    await finish();
    expect(images()).toEqual({ 'db-0': 'nginx:2', 'db-1': 'nginx:2', 'db-2': 'nginx:2' });
    expect(read().status?.currentRevision).toBe(read().status?.updateRevision);
    expect(read().status?.currentRevision).not.toBe(before);
  });

  test('going back to an old template reuses its revision', async () => {
    const { begin, finish, change, server } = lab(statefulSet(1));
    await begin();
    await finish();
    change({ template: template('web', 'nginx:2') });
    await finish();
    change({ template: template() });
    await finish();
    const revisions = server.all<ControllerRevision>(controllerRevisions).map(({ revision }) => revision);
    expect(revisions.sort()).toEqual([2, 3]);
  });

  test('OnDelete replaces a pod only when somebody else removes it', async () => {
    const { begin, images, finish, change, server } = lab(statefulSet(2, { updateStrategy: { type: 'OnDelete' } }));
    await begin();
    await finish();
    change({ template: template('web', 'nginx:2') });
    await finish();
    expect(images()).toEqual({ 'db-0': 'nginx:1', 'db-1': 'nginx:1' });
    server.remove(pods, 'default/db-0');
    await finish();
    expect(images()).toEqual({ 'db-0': 'nginx:2', 'db-1': 'nginx:1' });
  });

  test('Parallel starts all pods at once', async () => {
    const { begin, names } = lab(statefulSet(3, { podManagementPolicy: 'Parallel', ordinals: { start: 5 } }));
    await begin();
    expect(names()).toEqual(['db-5', 'db-6', 'db-7']);
  });

  test('a failed pod is replaced under its name', async () => {
    const { begin, names, finish, activePods, setPod, recorder } = lab(statefulSet(1));
    await begin();
    const [pod] = activePods();
    if (pod) setPod(pod, 'Failed', false);
    await finish();
    expect(names()).toEqual(['db-0']);
    expect(activePods()[0]?.metadata.uid).not.toBe(pod?.metadata.uid);
    expect(recorder.lines).toContain(
      'Warning RecreatingFailedPod StatefulSet default/db is recreating failed Pod db-0',
    );
  });

  test('where volume claims are not served an event says so and no pod starts', async () => {
    const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'disk' }, spec: {} };
    const { begin, names, recorder, server } = lab(statefulSet(1, { volumeClaimTemplates: [claim] }));
    const text = 'the server could not find the requested resource';
    server.react(({ path }) =>
      path.includes('persistentvolumeclaims') ? new StatusError('NotFound', text) : undefined,
    );
    await begin();
    expect(names()).toEqual([]);
    expect(recorder.lines[0]).toBe(
      `Warning FailedCreate create Claim disk-db-0 Pod db-0 in StatefulSet db failed error: ${text}`,
    );
  });
});
