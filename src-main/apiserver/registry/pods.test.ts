import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object';
import { Context } from '#base/context';
import type { TransportRequest } from '#client/transport';
import { TestApiServer } from '../../../test/harness/api-server.ts';
import { ensureObjects } from '../bootstrap/ensure-objects.ts';
import { kubernetesService } from '../bootstrap/kubernetes-service.ts';
import { systemNamespaces, systemPriorityClasses } from '../bootstrap/system-objects.ts';

const context = Context.background();
let api: TestApiServer;

beforeEach(async () => {
  api = await TestApiServer.start({
    postStartHooks: [
      ensureObjects(systemNamespaces),
      ensureObjects(systemPriorityClasses),
      kubernetesService({ clusterIp: '10.96.0.1', endpoints: [{ ip: '10.0.0.1', port: 6443 }] }),
    ],
  });
});
afterEach(() => api.close());

type Loose = KubeObject & { spec: Record<string, never>; status: Record<string, never> };
const send = async (request: TransportRequest): Promise<Loose> =>
  (await api.transport().request(context, request)) as Loose;
const core = '/api/v1/namespaces/default';
const pods = `${core}/pods`;
const makeAccount = () =>
  send({ method: 'POST', path: `${core}/serviceaccounts`, body: { metadata: { name: 'default' } } });
const podBody = (name: string, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image: 'nginx' }], ...spec },
});
const makePod = (name: string, spec: object = {}) => send({ method: 'POST', path: pods, body: podBody(name, spec) });
const bind = (name: string, node: string) =>
  send({
    method: 'POST',
    path: `${pods}/${name}/binding`,
    body: { metadata: { name }, target: { kind: 'Node', name: node } },
  });
const remove = (name: string, body?: object) =>
  send({ method: 'DELETE', path: `${pods}/${name}`, ...(body ? { body } : {}) });

test('without its service account a pod is turned down', async () => {
  await expect(makePod('a')).rejects.toMatchObject({
    reason: 'Forbidden',
    message:
      'pods "a" is forbidden: error looking up service account default/default: serviceaccount "default" not found',
  });
});

describe('with a service account', () => {
  beforeEach(makeAccount);

  test('admission fills a pod in', async () => {
    const { spec } = await makePod('a', { priorityClassName: 'system-cluster-critical' });
    const api = { name: expect.stringMatching(/^kube-api-access-[a-z0-9]{5}$/) };
    expect(spec).toMatchObject({
      serviceAccountName: 'default',
      serviceAccount: 'default',
      priority: 2_000_000_000,
      preemptionPolicy: 'PreemptLowerPriority',
      volumes: [{ ...api, projected: { defaultMode: 420 } }],
      containers: [
        { volumeMounts: [{ ...api, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }] },
      ],
      tolerations: [
        { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
        { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 },
      ],
    });
    await expect(makePod('b', { priorityClassName: 'none' })).rejects.toMatchObject({
      message: 'pods "b" is forbidden: no PriorityClass with name none was found',
    });
  });

  test('binding happens once', async () => {
    await makePod('a');
    await bind('a', 'n1');
    const pod = await send({ method: 'GET', path: `${pods}/a` });
    expect(pod.spec).toMatchObject({ nodeName: 'n1' });
    expect(pod.status).toMatchObject({
      conditions: [{ type: 'PodScheduled', observedGeneration: 1, status: 'True' }],
    });
    await expect(bind('a', 'n2')).rejects.toMatchObject({
      reason: 'Conflict',
      message: 'Operation cannot be fulfilled on pods/binding "a": pod a is already assigned to node "n1"',
    });
  });

  test('an unscheduled pod goes at once; a running one is marked, hastened, and goes with grace 0', async () => {
    await makePod('a');
    await remove('a');
    await expect(send({ method: 'GET', path: `${pods}/a` })).rejects.toMatchObject({ reason: 'NotFound' });
    await makePod('b');
    await bind('b', 'n1');
    expect((await remove('b')).metadata).toMatchObject({
      deletionTimestamp: '2026-01-01T00:00:30Z',
      deletionGracePeriodSeconds: 30,
    });
    expect((await remove('b', { gracePeriodSeconds: 60 })).metadata.deletionGracePeriodSeconds).toBe(30);
    expect((await remove('b', { gracePeriodSeconds: 5 })).metadata).toMatchObject({
      deletionTimestamp: '2026-01-01T00:00:05Z',
      deletionGracePeriodSeconds: 5,
    });
    await remove('b', { gracePeriodSeconds: 0 });
    await expect(send({ method: 'GET', path: `${pods}/b` })).rejects.toMatchObject({ reason: 'NotFound' });
  });

  test('preconditions are kept', async () => {
    await makePod('a');
    await expect(remove('a', { preconditions: { uid: 'x' } })).rejects.toMatchObject({
      reason: 'Conflict',
      message: expect.stringContaining('Precondition failed: UID in precondition: x, UID in object meta: '),
    });
  });

  test('status is written through status only', async () => {
    const pod = await makePod('a');
    const body = { ...pod, status: { phase: 'Running' }, spec: { ...pod.spec, nodeName: 'other' } };
    const written = await send({ method: 'PUT', path: `${pods}/a/status`, body });
    expect(written.status).toMatchObject({ phase: 'Running' });
    expect(written.spec).not.toHaveProperty('nodeName');
    const patched = await send({
      method: 'PATCH',
      path: `${pods}/a/status`,
      contentType: 'application/strategic-merge-patch+json',
      body: { status: { conditions: [{ type: 'Ready', status: 'True' }] } },
    });
    expect(patched.status).toMatchObject({ phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
  });

  test('an eviction deletes; a budget may forbid it', async () => {
    const evict = (name: string) =>
      send({
        method: 'POST',
        path: `${pods}/${name}/eviction`,
        body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name } },
      });
    await makePod('a');
    await evict('a');
    await expect(send({ method: 'GET', path: `${pods}/a` })).rejects.toMatchObject({ reason: 'NotFound' });
    const setReady = async (name: string, ready: string): Promise<void> => {
      const pod = await makePod(name);
      const conditions = [{ type: 'Ready', status: ready }];
      const body = { ...pod, status: { phase: 'Running', conditions } };
      await send({ method: 'PUT', path: `${pods}/${name}/status`, body });
    };
    await setReady('b', 'True');
    await setReady('sick', 'False');
    const budget = { metadata: { name: 'pdb' }, spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } } };
    const made = await send({
      method: 'POST',
      path: '/apis/policy/v1/namespaces/default/poddisruptionbudgets',
      body: budget,
    });
    const status = {
      disruptionsAllowed: 0,
      desiredHealthy: 1,
      currentHealthy: 1,
      expectedPods: 1,
      observedGeneration: made.metadata.generation,
    };
    await send({
      method: 'PUT',
      path: '/apis/policy/v1/namespaces/default/poddisruptionbudgets/pdb/status',
      body: { ...made, status },
    });
    await send({ method: 'GET', path: '/apis/policy/v1/namespaces/default/poddisruptionbudgets' });
    await expect(evict('b')).rejects.toMatchObject({
      reason: 'TooManyRequests',
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
    });
    // It is not among the healthy ones that the budget guards.
    await evict('sick');
    await expect(send({ method: 'GET', path: `${pods}/sick` })).rejects.toMatchObject({ reason: 'NotFound' });
  });

  test('deletecollection takes what the selector names', async () => {
    await makePod('a');
    await send({
      method: 'POST',
      path: pods,
      body: { ...podBody('b'), metadata: { name: 'b', labels: { app: 'db' } } },
    });
    await send({ method: 'DELETE', path: pods, query: { labelSelector: 'app=web' } });
    const left = (await send({ method: 'GET', path: pods })) as unknown as { items: KubeObject[] };
    expect(left.items.map(({ metadata }) => metadata.name)).toEqual(['b']);
  });
});

test('a terminating namespace takes nothing new and goes when it is finalized', async () => {
  const path = '/api/v1/namespaces/doomed';
  await send({
    method: 'POST',
    path: '/api/v1/namespaces',
    body: { metadata: { name: 'doomed' }, spec: { finalizers: ['kubernetes'] } },
  });
  const marked = await send({ method: 'DELETE', path });
  expect(marked).toMatchObject({ spec: { finalizers: ['kubernetes'] }, status: { phase: 'Terminating' } });
  await send({ method: 'GET', path: '/api/v1/namespaces' });
  await expect(
    send({ method: 'POST', path: `${path}/configmaps`, body: { metadata: { name: 'a' } } }),
  ).rejects.toMatchObject({
    reason: 'Forbidden',
    message:
      'configmaps "a" is forbidden: unable to create new content in namespace doomed because it is being terminated',
  });
  await send({ method: 'PUT', path: `${path}/finalize`, body: { ...marked, spec: {} } });
  await expect(send({ method: 'GET', path })).rejects.toMatchObject({
    reason: 'NotFound',
    message: 'namespaces "doomed" not found',
  });
});

test('a new node starts tainted', async () => {
  const node = await send({ method: 'POST', path: '/api/v1/nodes', body: { metadata: { name: 'n1' } } });
  expect(node.spec).toMatchObject({ taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }] });
});

describe('scale', () => {
  const deployments = '/apis/apps/v1/namespaces/default/deployments';
  const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'nginx' }] } };
  const body = {
    metadata: { name: 'web' },
    spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template },
  };

  test('reads and writes the replicas of a deployment', async () => {
    await send({ method: 'POST', path: deployments, body });
    const scale = await send({ method: 'GET', path: `${deployments}/web/scale` });
    expect(scale).toMatchObject({
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      spec: { replicas: 1 },
      status: { selector: 'app=web' },
    });
    await send({ method: 'PUT', path: `${deployments}/web/scale`, body: { ...scale, spec: { replicas: 3 } } });
    const contentType = 'application/merge-patch+json';
    const patched = await send({
      method: 'PATCH',
      path: `${deployments}/web/scale`,
      contentType,
      body: { spec: { replicas: 4 } },
    });
    expect(patched.spec).toEqual({ replicas: 4 });
    const deployment = await send({ method: 'GET', path: `${deployments}/web` });
    expect(deployment.metadata.generation).toBe(3);
    await expect(
      send({ method: 'PATCH', path: `${deployments}/web/scale`, contentType, body: { spec: { replicas: -1 } } }),
    ).rejects.toMatchObject({ reason: 'Invalid' });
  });

  test('apply creates, then changes; another manager conflicts', async () => {
    const apply = (fieldManager: string, replicas: number, force = 'false') =>
      send({
        ...{ method: 'PATCH', path: `${deployments}/web`, contentType: 'application/apply-patch+yaml' },
        query: { fieldManager, force },
        body: { apiVersion: 'apps/v1', kind: 'Deployment', ...body, spec: { ...body.spec, replicas } },
      });
    const created = await apply('one', 1);
    expect(created.metadata.managedFields).toMatchObject([{ manager: 'one', operation: 'Apply' }]);
    const again = await apply('one', 1);
    expect(again.metadata.resourceVersion).toBe(created.metadata.resourceVersion);
    expect((await apply('one', 2)).spec).toMatchObject({ replicas: 2 });
    await expect(apply('two', 3)).rejects.toMatchObject({ reason: 'Conflict' });
    expect((await apply('two', 3, 'true')).spec).toMatchObject({ replicas: 3 });
  });
});
