import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CronJob, DaemonSet, Deployment, Job, Node, Pod, ReplicaSet, StatefulSet } from '#api/gen/types';
import type { GroupVersionResource, KubeObject } from '#api/machinery/object';
import { formatTime, yieldToEventLoop } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { SharedInformerFactory } from '#client/informer';
import { cronJobs, daemonSets, deployments, jobs, nodes, pods, replicaSets, statefulSets } from '#client/resources';
import { RestClient } from '#client/rest-client';
import { RememberingRecorder } from '#client/testing/fixtures';
import { CronJobController } from '#controller-manager/cronjob/cron-job-controller';
import { DaemonSetController } from '#controller-manager/daemonset/daemon-set-controller';
import { DeploymentController } from '#controller-manager/deployment/deployment-controller';
import { JobController } from '#controller-manager/job/job-controller';
import { ReplicaSetController } from '#controller-manager/replicaset/replica-set-controller';
import { StatefulSetController } from '#controller-manager/statefulset/stateful-set-controller';
import type { Controller } from '#controller-manager/controller';
import { TestApiServer } from '../../harness/api-server.ts';

/** The workload controllers against the real API server, its defaults and validation included; the test is the kubelet. */
class Cluster {
  readonly api: TestApiServer;
  readonly client: RestClient;
  readonly recorder = new RememberingRecorder();
  readonly context = Context.background();
  readonly #controllers: readonly Controller[];
  readonly #informers: SharedInformerFactory;

  private constructor(api: TestApiServer) {
    this.api = api;
    this.client = new RestClient(api.transport());
    const parts = { client: this.client, clock: api.clock, random: new SeededRandom(2), logger: silentLogger };
    this.#informers = new SharedInformerFactory(parts);
    const options = { ...parts, informers: this.#informers, recorder: this.recorder };
    this.#controllers = [
      new ReplicaSetController(options),
      new DeploymentController(options),
      new StatefulSetController(options),
      new DaemonSetController(options),
      new JobController(options),
      new CronJobController(options),
    ];
  }

  static async start(): Promise<Cluster> {
    const cluster = new Cluster(await TestApiServer.start());
    await cluster.create({ group: '', version: 'v1', resource: 'namespaces' }, { metadata: { name: 'default' } }, '');
    await cluster.create({ group: '', version: 'v1', resource: 'serviceaccounts' }, { metadata: { name: 'default' } });
    cluster.#informers.start(cluster.context);
    await cluster.#informers.waitForSync(cluster.context);
    for (const controller of cluster.#controllers) controller.start(cluster.context);
    return cluster;
  }

  async close(): Promise<void> {
    await Promise.all(this.#controllers.map((controller) => controller.stop()));
    this.#informers.stop();
    await this.api.close();
  }

  create<T extends KubeObject>(resource: GroupVersionResource, object: unknown, namespace = 'default'): Promise<T> {
    const { metadata, ...rest } = object as { metadata: object };
    const draft = { ...rest, metadata: { ...metadata, ...(namespace ? { namespace } : {}) } };
    return this.client.resource<T>(resource).create(this.context, draft as T);
  }

  get<T extends KubeObject>(resource: GroupVersionResource, name: string): Promise<T> {
    return this.client.resource<T>(resource).get(this.context, 'default', name);
  }

  async list<T extends KubeObject>(resource: GroupVersionResource): Promise<readonly T[]> {
    return (await this.client.resource<T>(resource).list(this.context, { namespace: 'default' })).items;
  }

  patch(resource: GroupVersionResource, name: string, patch: unknown): Promise<unknown> {
    return this.client.resource(resource).patch(this.context, 'default', name, 'strategic', patch);
  }

  /** Sets every pod that is not at `phase` there. */
  async setPods(phase: 'Running' | 'Succeeded'): Promise<void> {
    const client = this.client.resource<Pod>(pods);
    const lastTransitionTime = formatTime(this.api.clock.now());
    const conditions = [{ type: 'Ready', status: phase === 'Running' ? 'True' : 'False', lastTransitionTime }];
    const ended = ['Succeeded', 'Failed', phase];
    const waiting = (await this.list<Pod>(pods)).filter(({ status }) => !ended.includes(status?.phase ?? 'Pending'));
    await Promise.all(
      waiting
        .filter(({ metadata }) => !metadata.deletionTimestamp)
        .map((pod) => client.updateStatus(this.context, { ...pod, status: { ...pod.status, phase, conditions } })),
    );
  }

  /** Lets lab time run until `condition` holds; the test's own timeout ends the wait. */
  async until(condition: () => Promise<boolean>): Promise<void> {
    for (let i = 0; !(await condition()); i++) {
      if (i > 400) throw new Error('the cluster did not get there in 400 steps');
      await this.api.clock.step(25);
      for (let turn = 0; turn < 3; turn++) await yieldToEventLoop();
    }
  }
}

let cluster: Cluster;
beforeEach(async () => {
  cluster = await Cluster.start();
});
afterEach(() => cluster.close());

const template = (image: string, more: object = {}) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'main', image }], ...more },
});
const selector = { matchLabels: { app: 'web' } };

async function rolledOut(name: string): Promise<boolean> {
  await cluster.setPods('Running');
  const { spec, status, metadata } = await cluster.get<Deployment>(deployments, name);
  const progressing = status?.conditions?.find(({ type }) => type === 'Progressing');
  const { updatedReplicas, replicas, availableReplicas, observedGeneration } = status ?? {};
  return (
    observedGeneration === metadata.generation &&
    progressing?.reason === 'NewReplicaSetAvailable' &&
    [updatedReplicas, replicas, availableReplicas].every((count) => count === spec.replicas)
  );
}

test('a Deployment rolls out, updates, is rolled back and scaled', async () => {
  await cluster.create(deployments, {
    metadata: { name: 'web' },
    spec: { replicas: 3, selector, template: template('nginx:1') },
  });
  await cluster.until(() => rolledOut('web'));
  const first = await cluster.get<Deployment>(deployments, 'web');
  expect(first.metadata.generation).toBe(1);
  expect(first.metadata.annotations).toEqual({ 'deployment.kubernetes.io/revision': '1' });

  await cluster.patch(deployments, 'web', {
    spec: { template: { spec: { containers: [{ name: 'main', image: 'nginx:2' }] } } },
  });
  await cluster.until(() => rolledOut('web'));
  const sets = await cluster.list<ReplicaSet>(replicaSets);
  expect(
    sets
      .map(({ spec, metadata }) => [metadata.annotations?.['deployment.kubernetes.io/revision'], spec.replicas])
      .sort(),
  ).toEqual([
    ['1', 0],
    ['2', 3],
  ]);

  await cluster.patch(deployments, 'web', {
    spec: { template: { spec: { containers: [{ name: 'main', image: 'nginx:1' }] } } },
  });
  await cluster.until(() => rolledOut('web'));
  expect(await cluster.list(replicaSets)).toHaveLength(2);
  expect(
    (await cluster.get<Deployment>(deployments, 'web')).metadata.annotations?.['deployment.kubernetes.io/revision'],
  ).toBe('3');

  await cluster.patch(deployments, 'web', { spec: { replicas: 1 } });
  await cluster.until(() => rolledOut('web'));
  expect(await cluster.list(pods)).toHaveLength(1);
});

test('a Deployment of 500 makes all its pods in few writes beyond them', async () => {
  await cluster.create(deployments, {
    metadata: { name: 'web' },
    spec: { replicas: 500, selector, template: template('nginx:1') },
  });
  await cluster.until(async () => (await cluster.list(pods)).length === 500);
  const { metadata } = await cluster.client.resource<Pod>(pods).list(cluster.context, { namespace: 'default' });
  const before = Number(metadata.resourceVersion);
  await cluster.until(() => rolledOut('web'));
  const after = Number((await cluster.get<Deployment>(deployments, 'web')).metadata.resourceVersion);
  // 500 pods became Running: everything else is status writes of two objects.
  expect(after - before - 500).toBeLessThan(50);
});

test('a StatefulSet starts in order and keeps its names', async () => {
  const spec = { replicas: 2, serviceName: 'db', selector, template: template('nginx:1') };
  await cluster.create(statefulSets, { metadata: { name: 'db' }, spec });
  const settled = async (): Promise<boolean> => {
    await cluster.setPods('Running');
    const { status } = await cluster.get<StatefulSet>(statefulSets, 'db');
    return (
      status?.updatedReplicas === 2 && status.readyReplicas === 2 && status.currentRevision === status.updateRevision
    );
  };
  await cluster.until(settled);
  const before = (await cluster.get<StatefulSet>(statefulSets, 'db')).status?.currentRevision;
  await cluster.patch(statefulSets, 'db', {
    spec: { template: { spec: { containers: [{ name: 'main', image: 'nginx:2' }] } } },
  });
  await cluster.until(
    async () =>
      (await settled()) && (await cluster.get<StatefulSet>(statefulSets, 'db')).status?.currentRevision !== before,
  );
  const images = (await cluster.list<Pod>(pods)).map(({ metadata, spec: { containers } }) => [
    metadata.name,
    containers[0]?.image,
  ]);
  expect(images).toEqual([
    ['db-0', 'nginx:2'],
    ['db-1', 'nginx:2'],
  ]);
});

test('a DaemonSet puts a pod on every node', async () => {
  // A new node is tainted as not ready, which a DaemonSet without a toleration for it respects.
  for (const name of ['n1', 'n2']) {
    const node = await cluster.create<Node>(nodes, { metadata: { name } }, '');
    await cluster.client.resource<Node>(nodes).update(cluster.context, { ...node, spec: {} });
  }
  await cluster.create(daemonSets, { metadata: { name: 'agent' }, spec: { selector, template: template('nginx:1') } });
  await cluster.until(async () => {
    await cluster.setPods('Running');
    const { status } = await cluster.get<DaemonSet>(daemonSets, 'agent');
    return status?.numberAvailable === 2 && status.updatedNumberScheduled === 2;
  });
});

test('a Job completes and its pod is let go', async () => {
  await cluster.create(jobs, {
    metadata: { name: 'pi' },
    spec: { template: template('nginx:1', { restartPolicy: 'Never' }) },
  });
  await cluster.until(async () => {
    await cluster.setPods('Succeeded');
    return !!(await cluster.get<Job>(jobs, 'pi')).status?.completionTime;
  });
  const job = await cluster.get<Job>(jobs, 'pi');
  expect(job.status).toMatchObject({ succeeded: 1, uncountedTerminatedPods: {}, ready: 0, terminating: 0 });
  expect(job.status?.conditions?.map(({ type }) => type)).toEqual(['SuccessCriteriaMet', 'Complete']);
  const [pod] = await cluster.list<Pod>(pods);
  expect(pod?.metadata.finalizers ?? []).toEqual([]);
  expect(pod?.metadata.labels?.['job-name']).toBe('pi');
});

test('a CronJob starts a Job on the minute', async () => {
  const jobTemplate = { spec: { template: template('nginx:1', { restartPolicy: 'Never' }) } };
  await cluster.create(cronJobs, { metadata: { name: 'tick' }, spec: { schedule: '*/1 * * * *', jobTemplate } });
  await cluster.api.clock.step(61_000);
  await cluster.until(async () => (await cluster.list<Job>(jobs)).length === 1);
  await cluster.until(async () => {
    await cluster.setPods('Succeeded');
    return !!(await cluster.get<CronJob>(cronJobs, 'tick')).status?.lastSuccessfulTime;
  });
  expect((await cluster.get<CronJob>(cronJobs, 'tick')).status?.active).toBeUndefined();
});
