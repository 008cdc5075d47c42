import { expect, test } from 'vitest';
import type { Endpoints, EndpointSlice, Pod, Service } from '#api/gen/types';
import { endpoints, endpointSlices, nodes, pods, services } from '#client/resources';
import { controllerFixture, node, pod } from '#client/testing/fixtures';
import { EndpointsController } from '../endpoints/endpoints-controller.ts';
import { EndpointSliceController } from './endpoint-slice-controller.ts';

function service(spec: Service['spec'] = {}): Service {
  const metadata = { name: 'web', namespace: 'default', labels: { app: 'web' } };
  const ports = [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 'http' }];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: { selector: { app: 'web' }, clusterIP: '10.96.0.10', ports, ...spec },
  };
}

function backend(name: string, podIP: string, ready = true, nodeName = 'worker-1'): Pod {
  return pod(name, {
    metadata: { name, namespace: 'default', uid: `uid-${name}`, labels: { app: 'web' } },
    spec: { nodeName, containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8080 }] }] },
    status: { phase: 'Running', podIP, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  });
}

async function begun(...present: Pod[]) {
  const fixture = controllerFixture();
  const { server, parts, context, begin } = fixture;
  server.put(
    nodes,
    node('worker-1', { metadata: { name: 'worker-1', labels: { 'topology.kubernetes.io/zone': 'a' } } }),
  );
  for (const each of present) server.put(pods, each);
  const controllers = [new EndpointSliceController(parts), new EndpointsController(parts)];
  await begin();
  for (const controller of controllers) controller.start(context);
  const slices = (): readonly EndpointSlice[] => server.all<EndpointSlice>(endpointSlices);
  const addresses = (): string[] =>
    slices().flatMap((slice) => (slice.endpoints ?? []).flatMap((each) => each.addresses));
  return { ...fixture, slices, addresses };
}

test('a slice and an Endpoints object for ready, unready and terminating pods', async () => {
  const going = backend('c', '10.244.0.3');
  const terminating = { ...going, metadata: { ...going.metadata, deletionTimestamp: '2026-01-01T00:00:30Z' } };
  const { server, slices } = await begun(backend('b', '10.244.0.2', false), backend('a', '10.244.0.1'), terminating);
  server.put(services, service());
  await server.step(100);
  const targetRef = { kind: 'Pod', namespace: 'default' };
  expect(slices()).toMatchObject([
    {
      metadata: {
        labels: {
          app: 'web',
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
        ownerReferences: [{ kind: 'Service', name: 'web', controller: true, blockOwnerDeletion: true }],
      },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: [
        {
          addresses: ['10.244.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          nodeName: 'worker-1',
          zone: 'a',
          targetRef: { ...targetRef, name: 'a' },
        },
        { addresses: ['10.244.0.2'], conditions: { ready: false, serving: false, terminating: false } },
        { addresses: ['10.244.0.3'], conditions: { ready: false, serving: true, terminating: true } },
      ],
    },
  ]);
  expect(slices()[0]?.metadata.name).toMatch(/^web-[a-z0-9]{5}$/);
  expect(server.get<Endpoints>(endpoints, 'default/web')?.subsets).toEqual([
    {
      addresses: [{ ip: '10.244.0.1', nodeName: 'worker-1', targetRef: { ...targetRef, name: 'a', uid: 'uid-a' } }],
      notReadyAddresses: [
        { ip: '10.244.0.2', nodeName: 'worker-1', targetRef: { ...targetRef, name: 'b', uid: 'uid-b' } },
      ],
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    },
  ]);
});

test('more than a hundred endpoints: slices are filled, and changes touch one slice only', async () => {
  const many = Array.from({ length: 230 }, (_, i) => backend(`p${i}`, `10.244.${1 + Math.floor(i / 200)}.${i % 200}`));
  const { server, slices, addresses } = await begun(...many);
  server.put(services, service());
  await server.step(200);
  expect(slices().map((slice) => slice.endpoints?.length)).toEqual([100, 100, 30]);
  const before = new Map(slices().map((slice) => [slice.metadata.name, slice.metadata.resourceVersion]));
  server.put(pods, backend('p5', '10.244.1.5', false));
  await server.step(200);
  const changed = slices().filter((slice) => before.get(slice.metadata.name) !== slice.metadata.resourceVersion);
  expect(changed).toHaveLength(1);
  expect(new Set(addresses()).size).toBe(230);
});

test('a service without pods has one empty slice, which its first pod moves into', async () => {
  const { server, slices, addresses } = await begun();
  server.put(services, service());
  await server.step(100);
  expect(slices()).toMatchObject([{ endpoints: [], ports: [] }]);
  server.put(pods, backend('a', '10.244.0.1'));
  await server.step(100);
  expect(addresses()).toEqual(['10.244.0.1']);
  expect(slices()).toHaveLength(1);
  server.remove(pods, 'default/a');
  await server.step(100);
  expect(addresses()).toEqual([]);
  expect(slices()).toHaveLength(1);
});

test('publishNotReadyAddresses makes everything ready; services without selector are left alone', async () => {
  const { server, slices } = await begun(backend('a', '10.244.0.1', false));
  server.put(services, service({ publishNotReadyAddresses: true, clusterIP: 'None' }));
  const manual = service({ selector: {} });
  server.put(services, { ...manual, metadata: { ...manual.metadata, name: 'manual' } });
  await server.step(100);
  expect(slices()).toMatchObject([{ endpoints: [{ conditions: { ready: true, serving: false } }] }]);
  expect(slices()[0]?.metadata.labels?.['service.kubernetes.io/headless']).toBe('');
  expect(server.all(endpoints)).toHaveLength(1);
});
