import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ConfigMap, Service } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import { ApiServer } from '#apiserver/api-server';
import { kubernetesService } from '#apiserver/bootstrap/kubernetes-service';
import { ensureObjects } from '#apiserver/bootstrap/ensure-objects';
import { systemNamespaces } from '#apiserver/bootstrap/system-objects';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { present } from '#base/errors';
import { parseCidr } from '#base/ip';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import type { ResourceClient } from '#client/client';
import { configMaps, services } from '#client/resources';
import { RestClient } from '#client/rest-client';
import { InProcessTransport } from '#cluster/in-process-transport';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { admin, openDelegates } from '../../harness/api-server.ts';

const context = Context.background();
const clock = new RealClock();
let path: string;
let etcd: EmbeddedEtcd;
let servers: readonly ApiServer[];

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'drydock-servers-'));
  etcd = await EmbeddedEtcd.open({ path, clock, logger: silentLogger });
  servers = [1, 2, 3].map(
    (n) =>
      new ApiServer({
        ...{ name: `kube-apiserver/master-${n}`, etcd, clock, random: new SeededRandom(n), logger: silentLogger },
        serviceCidr: present(parseCidr('10.96.0.0/24'), 'a CIDR'),
        delegates: () => openDelegates,
        postStartHooks: [
          ensureObjects(systemNamespaces),
          kubernetesService({ clusterIp: '10.96.0.1', endpoints: [{ ip: '172.30.0.2', port: 6443 }] }),
        ],
      }),
  );
  // All at once on an empty store, which each of them wants to fill.
  await Promise.all(servers.map((server) => server.start(context)));
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  await etcd.close();
  rmSync(path, { recursive: true, force: true });
});

function clientsOf(index: number): RestClient {
  const handler = present(servers[index % servers.length], 'there is such a server');
  return new RestClient(new InProcessTransport({ handler, user: admin, userAgent: 'test/1' }));
}
const mapsAt = (index: number): ResourceClient<ConfigMap> => clientsOf(index).resource<ConfigMap>(configMaps);
const servicesAt = (index: number): ResourceClient<Service> => clientsOf(index).resource<Service>(services);
const times = <T>(count: number, make: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => make(i)));

function configMap(name: string): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data: { count: '0' } };
}

function service(name: string, nodePort?: number): Service {
  const port = { port: 80, protocol: 'TCP', ...(nodePort === undefined ? {} : { nodePort }) };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { type: 'NodePort', ports: [port], selector: { app: name } },
  };
}

test('what one server answered every other knows: lists, gets, and watches from its resourceVersion on', async () => {
  for (let i = 0; i < 60; i++) {
    const made = await mapsAt(i).create(context, configMap(`map-${i}`));
    const list = await mapsAt(i + 1).list(context, { namespace: 'default' });
    expect(list.items).toHaveLength(i + 1);
    expect(await mapsAt(i + 2).get(context, 'default', `map-${i}`)).toEqual(made);
    const scope = context.withCancel();
    const { resourceVersion } = made.metadata;
    const watch = await mapsAt(i + 1).watch(scope.context, { namespace: 'default', resourceVersion });
    const after = await mapsAt(i + 2).update(context, { ...made, data: { count: String(i + 1) } });
    for await (const event of watch) {
      // Neither what the reader has already, nor a refusal because this server does not know of that revision yet.
      expect(event).toEqual({ type: 'MODIFIED', object: after });
      break;
    }
    scope.cancel();
    const gone = await mapsAt(i).list(context, {
      namespace: 'default',
      resourceVersion: after.metadata.resourceVersion,
    });
    expect(gone.items.find(({ metadata }) => metadata.name === `map-${i}`)).toEqual(after);
  }
});

test('writers at every server lose no count to each other', async () => {
  await mapsAt(0).create(context, configMap('shared'));
  let conflicts = 0;
  await times(60, async (i) => {
    for (;;) {
      const current = await mapsAt(i).get(context, 'default', 'shared');
      const count = String(Number(current.data?.['count']) + 1);
      try {
        return await mapsAt(i).update(context, { ...current, data: { count } });
      } catch (error) {
        if (!isStatus(error, 'Conflict')) throw error;
        conflicts++;
      }
    }
  });
  expect((await mapsAt(1).get(context, 'default', 'shared')).data).toEqual({ count: '60' });
  expect(conflicts).toBeGreaterThan(0);
});

test('no cluster IP and no node port is given out twice, whoever gives them out at once', async () => {
  const made = await times(90, (i) => servicesAt(i).create(context, service(`s-${i}`)));
  expect(new Set(made.map(({ spec }) => spec.clusterIP)).size).toBe(90);
  expect(new Set(made.map(({ spec }) => spec.ports?.[0]?.nodePort)).size).toBe(90);
  const asked = await times(6, (i) =>
    servicesAt(i)
      .create(context, service(`asked-${i}`, 30_001))
      .then(
        () => 'made',
        (error: unknown) => (isStatus(error, 'Invalid') ? error.message : String(error)),
      ),
  );
  expect(asked.filter((one) => one === 'made')).toHaveLength(1);
  for (const one of asked) expect(one).toMatch(/^made$|30001: provided port is already allocated$/);
});

test('a number that one server took back is free at the next one', async () => {
  for (let i = 0; i < 30; i++) {
    await servicesAt(i).create(context, service('web', 30_080));
    await servicesAt(i + 1).delete(context, 'default', 'web');
  }
});

test('updates that take a number are as safe as creations', async () => {
  const plain = (name: string): Service => {
    const made = service(name);
    return { ...made, spec: { ...made.spec, type: 'ClusterIP' } };
  };
  const made = await times(30, (i) => servicesAt(i).create(context, plain(`s-${i}`)));
  const grown = await times(30, (i) => {
    const { metadata, spec, ...rest } = present(made[i], 'it was made');
    return servicesAt(i + 1).update(context, { ...rest, metadata, spec: { ...spec, type: 'NodePort' } });
  });
  expect(new Set(grown.map(({ spec }) => spec.ports?.[0]?.nodePort)).size).toBe(30);
});
