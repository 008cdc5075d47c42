import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ConfigMap, Deployment, Pod } from '#api/gen/types';
import { configMaps, deployments } from '#client/resources';
import { EmbeddedWorker } from '#cluster/workers/embedded-worker';
import { present } from '#base/errors';
import { adminTransport } from '../harness/api.ts';
import { readyOf, webDeployment } from '../harness/objects.ts';
import { SteppedLab } from '../harness/stepped-lab.ts';

const second = 1_000;

let at: SteppedLab;

function embedded(name: string): EmbeddedWorker {
  const worker = at.lab.worker(name);
  return present(worker instanceof EmbeddedWorker ? worker : undefined, `${name} is a simulated worker`);
}
beforeEach(async () => {
  at = await SteppedLab.start(2);
});
afterEach(async () => {
  await at.close();
  expect(at.clock.pendingTimers).toBe(0);
});

async function deploy(name: string, replicas: number): Promise<void> {
  await at.client<Deployment>(deployments).create(at.context, webDeployment(name, replicas));
}

async function podsOf(name: string): Promise<readonly Pod[]> {
  return (await at.pods()).filter(({ metadata }) => metadata.labels?.['app'] === name);
}

function untilReady(name: string, count: number): Promise<number> {
  return at.until(
    `${count} pods of ${name} are Ready`,
    60 * second,
    async () => (await podsOf(name)).filter((pod) => readyOf(pod) === 'True').length === count,
  );
}

test('without the scheduler pods wait; the next one takes over when the lease of the last has run out', async () => {
  const { scheduler } = at.lab.masters.require('master-1');
  scheduler.crash();
  await deploy('web', 2);
  await at.pass(10 * second);
  expect((await podsOf('web')).map(({ spec, status }) => [spec.nodeName, status?.phase])).toEqual([
    [undefined, 'Pending'],
    [undefined, 'Pending'],
  ]);
  await scheduler.start(at.context);
  await untilReady('web', 2);
});

test('without the controller manager a Deployment is only a wish', async () => {
  const { controllerManager } = at.lab.masters.require('master-1');
  controllerManager.crash();
  await deploy('web', 2);
  await at.pass(10 * second);
  expect(await podsOf('web')).toEqual([]);
  await controllerManager.start(at.context);
  await untilReady('web', 2);
});

test('without the API server nobody is answered and what runs goes on; then everybody comes back', async () => {
  const { kubeconfigPath } = at.lab;
  const { apiServer } = at.lab.masters.require('master-1');
  await deploy('web', 2);
  await untilReady('web', 2);
  const before = (await podsOf('web')).map(({ status }) => status?.containerStatuses?.[0]?.containerID).sort();

  apiServer.crash();
  const overHttps = adminTransport(kubeconfigPath);
  const request = { method: 'GET', path: '/api/v1/namespaces/default/pods' } as const;
  await expect(at.drive(overHttps.request(at.context, request))).rejects.toThrow(/ECONNREFUSED/);
  await expect(at.lab.admin.request(at.context, request)).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
  await at.pass(20 * second);

  await at.drive(apiServer.start(at.context));
  expect(await at.drive(overHttps.request(at.context, request))).toMatchObject({ kind: 'PodList', items: [{}, {}] });
  await deploy('more', 2);
  await untilReady('more', 2);
  expect((await podsOf('web')).map(({ status }) => status?.containerStatuses?.[0]?.containerID).sort()).toEqual(before);
  expect((await podsOf('web')).map(({ status }) => status?.containerStatuses?.[0]?.restartCount)).toEqual([0, 0]);
});

test('without the store the API server says so; then it serves what was acknowledged', async () => {
  const { store: etcd } = at.lab;
  const client = at.client<ConfigMap>(configMaps);
  const draft = (name: string): ConfigMap => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace: 'default' },
    data: { a: 'b' },
  });
  const kept = await client.create(at.context, draft('kept'));
  etcd.crash();
  await expect(at.drive(client.create(at.context, draft('refused')))).rejects.toMatchObject({
    reason: 'ServiceUnavailable',
    message: 'etcdserver: etcd is not running',
  });
  await at.pass(5 * second);
  await at.drive(etcd.start(at.context));
  // Every resource lists the store again by itself, a second after it noticed.
  await at.until('the API server lists again', 10 * second, () =>
    at.pods().then(
      () => true,
      () => false,
    ),
  );
  expect(await client.get(at.context, 'default', 'kept')).toEqual(kept);
  await client.create(at.context, draft('again'));
  await deploy('web', 2);
  await untilReady('web', 2);
});

test('a kubelet that starts again takes over the containers that run', async () => {
  await deploy('web', 4);
  await untilReady('web', 4);
  const containers = async (): Promise<unknown[]> =>
    (await podsOf('web')).map(({ metadata, status }) => [
      metadata.name,
      status?.podIP,
      status?.containerStatuses?.[0]?.containerID,
      status?.containerStatuses?.[0]?.restartCount,
    ]);
  const before = await containers();
  const { kubeletComponent: kubelet } = embedded('worker-1');
  kubelet.crash();
  await at.pass(20 * second);
  await at.drive(kubelet.start(at.context));
  await at.pass(20 * second);
  expect(await containers()).toEqual(before);
  expect((await podsOf('web')).map(readyOf)).toEqual(['True', 'True', 'True', 'True']);
});

test('a kube-proxy that starts again learns of the Services it missed', async () => {
  const { proxy, machine } = embedded('worker-1');
  const rules = (): number => machine.network.services.rules.length;
  const before = rules();
  proxy.crash();
  await at.lab.admin.request(at.context, {
    method: 'POST',
    path: '/api/v1/namespaces/default/services',
    body: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
    },
  });
  await at.pass(5 * second);
  expect(rules()).toBe(before);
  await at.drive(proxy.start(at.context));
  expect(rules()).toBeGreaterThan(before);
});
