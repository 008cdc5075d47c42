import { afterEach, beforeEach, expect, test } from 'vitest';
import type {
  ConfigMap,
  CoreV1Event,
  Deployment,
  Endpoints,
  EndpointSlice,
  Lease,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Service,
} from '#api/gen/types';
import type { GroupVersionResource, KubeObject } from '#api/machinery/object';
import { formatMicroTime, formatTime, yieldToEventLoop } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import * as known from '#client/resources';
import { RestClient } from '#client/rest-client';
import { ControllerManager } from '#controller-manager/controller-manager';
import { kubeControllers } from '#controller-manager/kube-controllers';
import { Scheduler } from '#scheduler/scheduler';
import { TestApiServer } from '../../harness/api-server.ts';

const workers = ['worker-1', 'worker-2', 'worker-3'];

/** Scheduler and all controllers against the real API server; the test is every kubelet. */
class ControlPlane {
  readonly api: TestApiServer;
  readonly client: RestClient;
  readonly scheduler: Scheduler;
  readonly manager: ControllerManager;
  readonly alive = new Set<string>();
  readonly context = Context.background();

  private constructor(api: TestApiServer) {
    this.api = api;
    this.client = new RestClient(api.transport());
    const parts = { client: this.client, clock: api.clock, random: new SeededRandom(3), logger: silentLogger };
    this.scheduler = new Scheduler({ name: 'kube-scheduler/master-1', ...parts });
    const controllers = kubeControllers({ rootCa: 'PEM', signing: { certificate: 'PEM', key: 'PEM' } });
    this.manager = new ControllerManager({ name: 'kube-controller-manager/master-1', ...parts, controllers });
  }

  static async start(): Promise<ControlPlane> {
    const plane = new ControlPlane(await TestApiServer.start());
    for (const name of ['default', 'kube-system', 'kube-node-lease'])
      await plane.create(known.namespaces, { metadata: { name } });
    await plane.manager.start(plane.context);
    await plane.scheduler.start(plane.context);
    for (const name of workers) await plane.join(name);
    await plane.pass(1_000);
    return plane;
  }

  async close(): Promise<void> {
    await this.scheduler.stop();
    await this.manager.stop();
    await this.api.close();
  }

  create<T extends KubeObject>(resource: GroupVersionResource, object: unknown): Promise<T> {
    return this.client.resource<T>(resource).create(this.context, object as T);
  }

  async list<T extends KubeObject>(resource: GroupVersionResource, namespace = 'default'): Promise<readonly T[]> {
    return (await this.client.resource<T>(resource).list(this.context, { namespace })).items;
  }

  get<T extends KubeObject>(resource: GroupVersionResource, name: string, namespace = 'default'): Promise<T> {
    return this.client.resource<T>(resource).get(this.context, namespace, name);
  }

  /** What a kubelet does when it starts. */
  async join(name: string): Promise<void> {
    const capacity = { cpu: '4', memory: '8Gi', pods: '110' };
    const conditions = [
      { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' },
    ];
    const object: Node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/hostname': name } },
      spec: {},
      status: { capacity, allocatable: capacity, conditions },
    };
    await this.create(known.nodes, object);
    await this.client
      .resource<Node>(known.nodes)
      .patch(this.context, '', name, 'merge', { status: object.status }, { subresource: 'status' });
    await this.create(known.leases, { metadata: { name, namespace: 'kube-node-lease' }, spec: this.#lease(name) });
    this.alive.add(name);
  }

  /** Lets lab time pass in small steps: kubelets renew leases, run what they are given and end what has to go. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 2_000) {
      await this.api.clock.step(Math.min(2_000, left), () => this.#settle());
      for (const name of this.alive) {
        const patch = { spec: this.#lease(name) };
        await this.client.resource<Lease>(known.leases).patch(this.context, 'kube-node-lease', name, 'merge', patch);
      }
      await this.#runPods();
      await this.#settle();
    }
  }

  #lease(name: string): Lease['spec'] {
    return { holderIdentity: name, leaseDurationSeconds: 40, renewTime: formatMicroTime(this.api.clock.now()) };
  }

  async #settle(): Promise<void> {
    for (let quiet = 0, seen = -1; quiet < 6;) {
      await yieldToEventLoop();
      const { revision } = await this.api.etcd.status(this.context);
      quiet = revision === seen ? quiet + 1 : 0;
      seen = revision;
    }
  }

  async #runPods(): Promise<void> {
    const client = this.client.resource<Pod>(known.pods);
    const lastTransitionTime = formatTime(this.api.clock.now());
    for (const { metadata, spec, status } of (await client.list(this.context)).items) {
      const { namespace = '', name = '', deletionTimestamp } = metadata;
      if (!this.alive.has(spec.nodeName ?? '')) continue;
      if (deletionTimestamp) await client.delete(this.context, namespace, name, { gracePeriodSeconds: 0 });
      else if (status?.phase === 'Pending') {
        const podIP = `10.244.9.${1 + (Number.parseInt(metadata.uid?.slice(0, 2) ?? '0', 16) % 250)}`;
        const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime }];
        const patch = { status: { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions } };
        await client.patch(this.context, namespace, name, 'strategic', patch, { subresource: 'status' });
      }
    }
  }
}

const deployment = {
  metadata: { name: 'web', namespace: 'default' },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'main', image: 'web:1', ports: [{ name: 'http', containerPort: 8080 }] }] },
    },
  },
};

let plane: ControlPlane;
beforeEach(async () => {
  plane = await ControlPlane.start();
});
afterEach(() => plane.close());

test('a Deployment behind a Service: spread, running, published; then its namespace is as it was', async () => {
  await plane.create<Deployment>(known.deployments, deployment);
  const spec = { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] };
  await plane.create<Service>(known.services, { metadata: { name: 'web', namespace: 'default' }, spec });
  await plane.pass(4_000);
  const running = await plane.list<Pod>(known.pods);
  expect(running.map((pod) => pod.spec.nodeName).sort()).toEqual(workers);
  expect((await plane.get<Deployment>(known.deployments, 'web')).status?.readyReplicas).toBe(3);
  const [slice] = await plane.list<EndpointSlice>(known.endpointSlices);
  expect(slice?.endpoints?.filter(({ conditions }) => conditions?.ready)).toHaveLength(3);
  expect((await plane.get<Endpoints>(known.endpoints, 'web')).subsets?.[0]?.addresses).toHaveLength(3);
  const events = await plane.list<CoreV1Event>(known.events);
  expect(events.filter(({ reason }) => reason === 'Scheduled')).toHaveLength(3);

  await plane.client
    .resource(known.deployments)
    .delete(plane.context, 'default', 'web', { propagationPolicy: 'Foreground' });
  await plane.client.resource(known.services).delete(plane.context, 'default', 'web');
  await plane.pass(6_000);
  expect(await plane.list<ReplicaSet>(known.replicaSets)).toEqual([]);
  expect(await plane.list<Pod>(known.pods)).toEqual([]);
  expect(await plane.list<Deployment>(known.deployments)).toEqual([]);
  expect(await plane.list<EndpointSlice>(known.endpointSlices)).toEqual([]);
  expect(await plane.list<Endpoints>(known.endpoints)).toEqual([]);
});

test('nodes: ranges of their own; one that dies loses its pods, which come up elsewhere', async () => {
  const nodes = await plane.list<Node>(known.nodes, '');
  expect(new Set(nodes.map(({ spec }) => spec.podCIDR)).size).toBe(3);
  await plane.create<Deployment>(known.deployments, deployment);
  await plane.pass(4_000);
  plane.alive.delete('worker-2');
  await plane.pass(60_000);
  const dead = await plane.get<Node>(known.nodes, 'worker-2', '');
  expect(dead.status?.conditions?.find(({ type }) => type === 'Ready')).toMatchObject({ status: 'Unknown' });
  expect(dead.spec.taints?.map(({ effect }) => effect)).toEqual(['NoSchedule', 'NoExecute']);
  await plane.pass(310_000);
  const pods = await plane.list<Pod>(known.pods);
  const serving = pods.filter(({ metadata }) => !metadata.deletionTimestamp);
  expect(serving).toHaveLength(3);
  expect(serving.some(({ spec }) => spec.nodeName === 'worker-2')).toBe(false);
  expect(pods.filter(({ spec }) => spec.nodeName === 'worker-2')).toHaveLength(1);
});

test('a namespace is emptied and goes', async () => {
  await plane.create<Namespace>(known.namespaces, { metadata: { name: 'lab' } });
  await plane.pass(2_000);
  expect((await plane.get<ConfigMap>(known.configMaps, 'kube-root-ca.crt', 'lab')).data).toEqual({ 'ca.crt': 'PEM' });
  await plane.create(known.deployments, { ...deployment, metadata: { name: 'web', namespace: 'lab' } });
  await plane.pass(4_000);
  await plane.client.resource(known.namespaces).delete(plane.context, '', 'lab');
  await plane.pass(10_000);
  await expect(plane.get(known.namespaces, 'lab', '')).rejects.toMatchObject({ reason: 'NotFound' });
  expect(await plane.list(known.pods, 'lab')).toEqual([]);
});
