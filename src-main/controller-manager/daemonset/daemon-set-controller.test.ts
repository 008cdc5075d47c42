import { describe, expect, test } from 'vitest';
import type { DaemonSet, Node } from '#api/gen/types';
import { daemonSets, nodes } from '#client/resources';
import { node } from '#client/testing/fixtures';
import { isReady, meta, template, workloadFixture } from '../testing/workload-fixture.ts';
import { targetNode } from './daemon-pod.ts';
import { DaemonSetController } from './daemon-set-controller.ts';

function daemonSet(spec: Partial<DaemonSet['spec']> = {}): DaemonSet {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: meta('agent'),
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: template(),
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      ...spec,
    },
  };
}

function lab(set: DaemonSet, cluster: readonly Node[]) {
  const fixture = workloadFixture();
  for (const each of cluster) fixture.server.put(nodes, each);
  fixture.server.put(daemonSets, set);
  const controller = new DaemonSetController(fixture.options);
  const read = (): DaemonSet => {
    const found = fixture.server.get<DaemonSet>(daemonSets, 'default/agent');
    if (!found) throw new Error('the set is gone');
    return found;
  };
  return {
    ...fixture,
    read,
    begin: () => fixture.begin(controller),
    where: () => fixture.activePods().map(targetNode).sort(),
    images: () => fixture.activePods().map(({ spec }) => spec.containers[0]?.image),
    change: (spec: Partial<DaemonSet['spec']>) => {
      const now = read();
      const metadata = { ...now.metadata, generation: (now.metadata.generation ?? 0) + 1 };
      fixture.server.put(daemonSets, { ...now, metadata, spec: { ...now.spec, ...spec } });
    },
  };
}

const three = ['n1', 'n2', 'n3'].map((name) => node(name));

describe('DaemonSetController', () => {
  test('one pod a node, bound by affinity and tolerant of sick nodes', async () => {
    const { begin, where, activePods, readyAll, pass, read, recorder } = lab(daemonSet(), three);
    await begin();
    expect(where()).toEqual(['n1', 'n2', 'n3']);
    expect(recorder.lines[0]).toMatch(/^Normal SuccessfulCreate Created pod: agent-[a-z0-9]{5}$/);
    const [pod] = activePods();
    expect(pod?.spec.tolerations?.map(({ key }) => key)).toContain('node.kubernetes.io/unschedulable');
    expect(pod?.metadata.labels?.['controller-revision-hash']).toMatch(/^[a-z0-9]+$/);
    readyAll();
    await pass();
    expect(read().status).toEqual({
      currentNumberScheduled: 3,
      numberMisscheduled: 0,
      desiredNumberScheduled: 3,
      numberReady: 3,
      observedGeneration: 1,
      updatedNumberScheduled: 3,
      numberAvailable: 3,
    });
  });

  test('follows nodes as they come and go, and their labels and taints', async () => {
    const taint = { key: 'dedicated', value: 'x', effect: 'NoSchedule' };
    const labelled = (name: string): Node => node(name, { metadata: { name, labels: { disk: 'ssd' } } });
    const set = daemonSet({ template: { ...template(), spec: { ...template().spec, nodeSelector: { disk: 'ssd' } } } });
    const cluster = [labelled('n1'), node('n2'), { ...labelled('n3'), spec: { taints: [taint] } }];
    const { begin, where, server, pass } = lab(set, cluster);
    await begin();
    expect(where()).toEqual(['n1']);
    server.put(nodes, labelled('n2'));
    server.put(nodes, labelled('n4'));
    await pass();
    expect(where()).toEqual(['n1', 'n2', 'n4']);
    server.put(nodes, { ...labelled('n1'), spec: { taints: [taint] } });
    server.put(nodes, { ...labelled('n4'), spec: { taints: [{ ...taint, effect: 'NoExecute' }] } });
    server.remove(nodes, 'n2');
    await pass();
    expect(where()).toEqual(['n1']);
  });

  test.each([
    { maxUnavailable: 1, maxSurge: 0, least: 2, most: 3 },
    { maxUnavailable: 2, maxSurge: 0, least: 1, most: 3 },
    { maxUnavailable: 0, maxSurge: 1, least: 3, most: 4 },
  ])('a rolling update with $maxUnavailable unavailable and $maxSurge above', async ({ least, most, ...bounds }) => {
    const { begin, activePods, readyAll, setPod, pass, change, images, read } = lab(daemonSet(), three);
    await begin();
    readyAll();
    await pass();
    change({ template: template('web', 'nginx:2'), updateStrategy: { type: 'RollingUpdate', rollingUpdate: bounds } });
    for (let i = 0; i < 8; i++) {
      await pass();
      expect(activePods().filter(isReady).length).toBeGreaterThanOrEqual(least);
      expect(activePods().length).toBeLessThanOrEqual(most);
      const starting = activePods().find((pod) => !isReady(pod));
      if (starting) setPod(starting);
    }
    await pass();
    expect(images()).toEqual(['nginx:2', 'nginx:2', 'nginx:2']);
    expect(read().status).toMatchObject({ updatedNumberScheduled: 3, numberAvailable: 3, observedGeneration: 2 });
  });

  test('OnDelete leaves old pods alone', async () => {
    const { begin, readyAll, pass, change, images, read } = lab(
      daemonSet({ updateStrategy: { type: 'OnDelete' } }),
      three,
    );
    await begin();
    readyAll();
    change({ template: template('web', 'nginx:2') });
    await pass();
    expect(images()).toEqual(['nginx:1', 'nginx:1', 'nginx:1']);
    expect(read().status?.updatedNumberScheduled).toBeUndefined();
  });

  test('a failed pod is replaced at once, the next one after a second', async () => {
    const { begin, activePods, setPod, pass, recorder } = lab(daemonSet(), [node('n1')]);
    await begin();
    const fail = (): void => {
      for (const pod of activePods()) setPod({ ...pod, spec: { ...pod.spec, nodeName: 'n1' } }, 'Failed', false);
    };
    fail();
    await pass();
    expect(
      recorder.lines.some((line) =>
        /^Warning FailedDaemonPod Found failed daemon pod default\/agent-\w+ on node n1, will try to kill it$/.test(
          line,
        ),
      ),
    ).toBe(true);
    expect(activePods()).toHaveLength(1);
    fail();
    await pass(500);
    expect(activePods()).toHaveLength(0);
    await pass(1_000);
    expect(activePods()).toHaveLength(1);
  });
});
