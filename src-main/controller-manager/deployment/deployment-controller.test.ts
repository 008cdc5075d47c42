import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Deployment, ReplicaSet } from '#api/gen/types';
import { SeededRandom } from '#base/random';
import { deployments, replicaSets } from '#client/resources';
import { ReplicaSetController } from '../replicaset/replica-set-controller.ts';
import { isReady, meta, template, workloadFixture, type WorkloadFixture } from '../testing/workload-fixture.ts';
import { DeploymentController } from './deployment-controller.ts';
import { maxSurge, maxUnavailable } from './rolling-update.ts';

function deployment(replicas: number, spec: Partial<Deployment['spec']> = {}): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: meta('web'),
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: template(),
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      ...spec,
    },
  };
}

class Lab {
  readonly fixture: WorkloadFixture = workloadFixture();

  constructor(initial: Deployment) {
    this.fixture.server.put(deployments, initial);
  }

  begin(): Promise<void> {
    const { options } = this.fixture;
    return this.fixture.begin(new DeploymentController(options), new ReplicaSetController(options));
  }

  get deployment(): Deployment {
    const found = this.fixture.server.get<Deployment>(deployments, 'default/web');
    if (!found) throw new Error('the deployment is gone');
    return found;
  }

  get replicaSets(): readonly ReplicaSet[] {
    return this.fixture.server.all<ReplicaSet>(replicaSets);
  }

  change(spec: Partial<Deployment['spec']>, annotations: Record<string, string> = {}): void {
    const { metadata, ...rest } = this.deployment;
    this.fixture.server.put(deployments, {
      ...rest,
      metadata: {
        ...metadata,
        generation: (metadata.generation ?? 0) + 1,
        annotations: { ...metadata.annotations, ...annotations },
      },
      spec: { ...rest.spec, ...spec },
    });
  }

  progressing() {
    return this.deployment.status?.conditions?.find(({ type }) => type === 'Progressing');
  }

  /** Plays the kubelet until nothing changes any more. */
  async finish(): Promise<void> {
    for (let before = -1; before !== this.fixture.server.revision;) {
      before = this.fixture.server.revision;
      this.fixture.readyAll();
      this.fixture.reap();
      await this.fixture.pass(100);
    }
  }
}

describe('DeploymentController', () => {
  test('a first rollout: replica set, events, conditions, revision', async () => {
    const lab = new Lab(deployment(3));
    await lab.begin();
    const [replicaSet] = lab.replicaSets;
    const name = replicaSet?.metadata.name ?? '';
    expect(name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{7,10}$/);
    expect(replicaSet?.metadata.annotations).toEqual({
      'deployment.kubernetes.io/revision': '1',
      'deployment.kubernetes.io/desired-replicas': '3',
      'deployment.kubernetes.io/max-replicas': '4',
    });
    expect(replicaSet?.spec.selector.matchLabels).toEqual({ app: 'web', 'pod-template-hash': name.slice(4) });
    expect(lab.fixture.recorder.lines[0]).toBe(`Normal ScalingReplicaSet Scaled up replica set ${name} from 0 to 3`);
    expect(lab.progressing()).toMatchObject({
      status: 'True',
      reason: 'ReplicaSetUpdated',
      message: `ReplicaSet "${name}" is progressing.`,
    });
    await lab.finish();
    expect(lab.progressing()).toMatchObject({
      status: 'True',
      reason: 'NewReplicaSetAvailable',
      message: `ReplicaSet "${name}" has successfully progressed.`,
    });
    expect(lab.deployment.metadata.annotations).toEqual({ 'deployment.kubernetes.io/revision': '1' });
    expect(lab.deployment.status).toMatchObject({
      observedGeneration: 1,
      replicas: 3,
      updatedReplicas: 3,
      readyReplicas: 3,
      availableReplicas: 3,
    });
    expect(lab.deployment.status?.unavailableReplicas).toBeUndefined();
    expect(lab.deployment.status?.conditions?.find(({ type }) => type === 'Available')).toMatchObject({
      status: 'True',
      reason: 'MinimumReplicasAvailable',
      message: 'Deployment has minimum availability.',
    });
  });

  test('an update and its undo: revisions move on, change-cause stays with its revision', async () => {
    const lab = new Lab(deployment(2));
    await lab.begin();
    await lab.finish();
    lab.change({ template: template('web', 'nginx:2') }, { 'kubernetes.io/change-cause': 'to 2' });
    await lab.finish();
    const [first, second] = lab.replicaSets;
    expect([first?.spec.replicas, second?.spec.replicas]).toEqual([0, 2]);
    expect(second?.metadata.annotations).toMatchObject({
      'deployment.kubernetes.io/revision': '2',
      'kubernetes.io/change-cause': 'to 2',
    });
    expect(first?.metadata.annotations?.['kubernetes.io/change-cause']).toBeUndefined();
    lab.change({ template: template() });
    await lab.finish();
    expect(lab.replicaSets).toHaveLength(2);
    expect(lab.replicaSets[0]?.metadata.annotations).toMatchObject({
      'deployment.kubernetes.io/revision': '3',
      'deployment.kubernetes.io/revision-history': '1',
    });
    expect(lab.deployment.metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('3');
  });

  test('a settled deployment is left alone', async () => {
    const lab = new Lab(deployment(3));
    await lab.begin();
    await lab.finish();
    lab.fixture.server.requests.length = 0;
    await lab.fixture.pass(3_600_000);
    expect(lab.fixture.server.requests).toEqual([]);
  });

  test('history beyond the limit is deleted', async () => {
    const lab = new Lab(deployment(1, { revisionHistoryLimit: 1 }));
    await lab.begin();
    for (const image of ['nginx:2', 'nginx:3', 'nginx:4']) {
      await lab.finish();
      lab.change({ template: template('web', image) });
    }
    await lab.finish();
    expect(lab.replicaSets.map(({ spec }) => spec.template?.spec?.containers[0]?.image)).toEqual([
      'nginx:3',
      'nginx:4',
    ]);
  });

  test('a stuck rollout passes its deadline, and recovers', async () => {
    const lab = new Lab(deployment(1, { progressDeadlineSeconds: 10 }));
    await lab.begin();
    await lab.fixture.pass(12_000);
    const name = lab.replicaSets[0]?.metadata.name;
    expect(lab.progressing()).toMatchObject({
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
      message: `ReplicaSet "${name}" has timed out progressing.`,
    });
    await lab.finish();
    expect(lab.progressing()).toMatchObject({ status: 'True', reason: 'NewReplicaSetAvailable' });
  });

  test('a paused deployment scales but does not roll out', async () => {
    const lab = new Lab(deployment(2));
    await lab.begin();
    await lab.finish();
    lab.change({ paused: true, template: template('web', 'nginx:2'), replicas: 4 });
    await lab.finish();
    expect(lab.replicaSets.map(({ spec }) => spec.replicas)).toEqual([4]);
    expect(lab.progressing()).toMatchObject({
      status: 'Unknown',
      reason: 'DeploymentPaused',
      message: 'Deployment is paused',
    });
    lab.change({ paused: false });
    await lab.finish();
    expect(lab.replicaSets.map(({ spec }) => spec.replicas)).toEqual([0, 4]);
    expect(lab.progressing()?.reason).toBe('NewReplicaSetAvailable');
  });

  test('Recreate waits for the last old pod', async () => {
    const lab = new Lab(deployment(2, { strategy: { type: 'Recreate' } }));
    await lab.begin();
    await lab.finish();
    for (const pod of lab.fixture.activePods()) lab.fixture.setPod({ ...pod, spec: { ...pod.spec, nodeName: 'n1' } });
    lab.change({ template: template('web', 'nginx:2') });
    await lab.fixture.pass(1_000);
    expect(lab.fixture.activePods()).toHaveLength(0);
    expect(lab.replicaSets).toHaveLength(1);
    lab.fixture.reap();
    await lab.fixture.pass(1_000);
    expect(lab.fixture.activePods().map(({ spec }) => spec.containers[0]?.image)).toEqual(['nginx:2', 'nginx:2']);
  });

  test('a deployment resized in the middle of an update grows both sides in proportion', async () => {
    const lab = new Lab(
      deployment(10, { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } } }),
    );
    await lab.begin();
    await lab.finish();
    lab.change({ template: template('web', 'broken') });
    await lab.fixture.pass(1_000);
    expect(lab.replicaSets.map(({ spec }) => spec.replicas)).toEqual([8, 5]);
    lab.change({ replicas: 15 });
    await lab.fixture.pass(1_000);
    expect(lab.replicaSets.map(({ spec }) => spec.replicas)).toEqual([11, 7]);
  });

  test('no rollout ever has more pods or fewer available ones than it may', async () => {
    const bound = fc.oneof(
      fc.nat(4),
      fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
    );
    const scenario = fc.record({
      replicas: fc.integer({ min: 1, max: 9 }),
      surge: bound,
      unavailable: bound,
      seed: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ replicas, surge, unavailable, seed }) => {
        const random = new SeededRandom(seed);
        const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable } };
        const lab = new Lab(deployment(replicas, { strategy }));
        await lab.begin();
        await lab.finish();
        lab.change({ template: template('web', 'nginx:2') });
        const [most, least] = [replicas + maxSurge(lab.deployment), replicas - maxUnavailable(lab.deployment)];
        for (let i = 0; i < 25; i++) {
          for (const pod of lab.fixture.activePods())
            if (!isReady(pod) && random.integer(2) === 0) lab.fixture.setPod(pod);
          if (random.integer(2) === 0) lab.fixture.reap();
          await lab.fixture.pass(random.integer(50));
          expect(lab.fixture.activePods().length).toBeLessThanOrEqual(most);
          expect(lab.fixture.activePods().filter(isReady).length).toBeGreaterThanOrEqual(least);
        }
        await lab.finish();
        expect(lab.fixture.activePods().map(({ spec }) => spec.containers[0]?.image)).toEqual(
          Array(replicas).fill('nginx:2'),
        );
      }),
      { numRuns: 8 },
    );
  }, 60_000);
});
