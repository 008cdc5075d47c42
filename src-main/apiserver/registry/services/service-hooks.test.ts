import { expect, test } from 'vitest';
import type { Service } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { SteppedClock } from '#base/clock';
import { InvariantError, present } from '#base/errors';
import { parseCidr } from '#base/ip';
import { SeededRandom } from '#base/random';
import type { EtcdClient } from '#etcd/client';
import { AllocationOwnership } from './allocation-ownership.ts';
import { ServiceHooks } from './service-hooks.ts';

type ServiceObject = Service & KubeObject;

/** Hooks alone reserve; who owns the numbers is asked around them. */
function unasked(random: SeededRandom): AllocationOwnership {
  const refuse = async (): Promise<never> => {
    throw new InvariantError('nobody is asked here');
  };
  const etcd = { txn: refuse } as Partial<EtcdClient> as EtcdClient;
  return new AllocationOwnership({ owner: 'test', etcd, waitFor: refuse, clock: new SteppedClock(), random });
}

function harness(range = '10.96.0.0/16') {
  const stored: KubeObject[] = [];
  const cidr = present(parseCidr(range), 'a CIDR');
  const random = new SeededRandom(1);
  const hooks = new ServiceHooks({
    ...{ cidr, random, ownership: unasked(random) },
    services: () => ({ revision: stored.length, objects: stored }),
    catchUp: async () => {},
  });
  const create = (spec: Service['spec']): ServiceObject => {
    const service: ServiceObject = { apiVersion: 'v1', kind: 'Service', metadata: { name: `s${stored.length}` }, spec };
    const { object, commit } = hooks.beginCreate(service);
    commit(stored.push(object));
    return object as ServiceObject;
  };
  return { hooks, stored, create };
}
const port = { port: 80, protocol: 'TCP' };

test('each service gets an address of its own', () => {
  const { create } = harness('10.0.0.0/26');
  const ips = Array.from({ length: 62 }, () => create({ type: 'ClusterIP', ports: [port] }).spec.clusterIP);
  expect(new Set(ips).size).toBe(62);
  expect(() => create({ type: 'ClusterIP', ports: [port] })).toThrowError(/range is full/);
});

test('asked-for addresses are honoured, once, and only from the range', () => {
  const { create } = harness();
  const spec = { type: 'ClusterIP', clusterIP: '10.96.0.10', ports: [port] };
  expect(create(spec).spec).toMatchObject({
    clusterIP: '10.96.0.10',
    clusterIPs: ['10.96.0.10'],
    ipFamilies: ['IPv4'],
  });
  expect(() => create(spec)).toThrowError(
    'Service "s1" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: provided IP is already allocated',
  );
  expect(() => create({ ...spec, clusterIP: '1.2.3.4' })).toThrowError(/The range of valid IPs is 10.96.0.0\/16/);
});

test('headless and external services take no address', () => {
  const { create } = harness();
  expect(create({ type: 'ClusterIP', clusterIP: 'None', ports: [port] }).spec.clusterIPs).toEqual(['None']);
  expect(create({ type: 'ExternalName', externalName: 'example.com' }).spec).not.toHaveProperty('clusterIP');
});

test('node ports are given, honoured, unique, and shared by TCP and UDP of one port', () => {
  const { create } = harness();
  const [first] = create({ type: 'NodePort', ports: [{ ...port, nodePort: 30_080 }] }).spec.ports ?? [];
  expect(first?.nodePort).toBe(30_080);
  expect(() => create({ type: 'NodePort', ports: [{ ...port, nodePort: 30_080 }] })).toThrowError(
    'spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated',
  );
  expect(() => create({ type: 'NodePort', ports: [{ ...port, nodePort: 80 }] })).toThrowError(
    'provided port is not in the valid range. The range of valid ports is 30000-32767',
  );
  const [tcp, udp] = create({ type: 'NodePort', ports: [port, { port: 80, protocol: 'UDP' }] }).spec.ports ?? [];
  expect(tcp?.nodePort).toBeGreaterThanOrEqual(30_000);
  expect(udp?.nodePort).toBe(tcp?.nodePort);
});

test('a write that failed gives back what it took; one under way keeps it from others', () => {
  const { hooks, stored } = harness();
  const service = (name: string): ServiceObject => {
    const spec = { type: 'ClusterIP', clusterIP: '10.96.0.20', ports: [port] };
    return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec };
  };
  const first = hooks.beginCreate(service('a'));
  expect(() => hooks.beginCreate(service('b'))).toThrowError(/already allocated/);
  first.revert();
  const second = hooks.beginCreate(service('b'));
  second.commit(1);
  // The Services are not known as of that write yet.
  expect(() => hooks.beginCreate(service('c'))).toThrowError(/already allocated/);
  // They are now, and the Service is gone again: somebody else deleted it.
  stored.push({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'other' }, spec: {} } as KubeObject);
  expect(hooks.beginCreate(service('c')).object).toMatchObject({ spec: { clusterIP: '10.96.0.20' } });
});

test('an update keeps what it does not mention and lets go of what its type has no use for', () => {
  const { hooks, create } = harness();
  const old = create({ type: 'NodePort', ports: [port] });
  const next: ServiceObject = { ...old, spec: { type: 'NodePort', ports: [port, { port: 81, protocol: 'TCP' }] } };
  const adopted = hooks.adopt(next, old) as ServiceObject;
  expect(adopted.spec.clusterIP).toBe(old.spec.clusterIP);
  expect(adopted.spec.ports?.[0]?.nodePort).toBe(old.spec.ports?.[0]?.nodePort);
  const grown = hooks.beginUpdate(adopted, old).object as ServiceObject;
  expect(grown.spec.ports?.[1]?.nodePort).toBeGreaterThanOrEqual(30_000);
  const narrowed: ServiceObject = { ...old, spec: { ...old.spec, type: 'ClusterIP' } };
  const plain = hooks.adopt(narrowed, old) as ServiceObject;
  expect(plain.spec.ports?.[0]).not.toHaveProperty('nodePort');
});

test('a load balancer without node ports gets none but those it asks for', () => {
  const { create } = harness();
  const spec = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false };
  expect(create({ ...spec, ports: [port] }).spec.ports).toEqual([port]);
  expect(create({ ...spec, ports: [{ ...port, nodePort: 30123 }] }).spec.ports?.[0]?.nodePort).toBe(30123);
  expect(() => create({ ...spec, ports: [{ ...port, nodePort: 30123 }] })).toThrowError(/already allocated/);
});

test('a load balancer that keeps client addresses has a port to check its nodes at, as long as it is one', () => {
  const { hooks, create } = harness();
  const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [port] };
  const first = create(spec);
  const healthCheckNodePort = first.spec.healthCheckNodePort ?? 0;
  expect(healthCheckNodePort).toBeGreaterThanOrEqual(30_000);
  expect(() => create({ ...spec, healthCheckNodePort })).toThrowError(
    /spec.healthCheckNodePort: Invalid value: \d+: provided port is already allocated/,
  );
  const changed = (spec: Service['spec']): ServiceObject => hooks.adopt(asked(first, spec), first) as ServiceObject;
  const kept = changed(spec);
  expect(kept.spec.healthCheckNodePort).toBe(healthCheckNodePort);
  const plain = changed({ ...first.spec, type: 'ClusterIP' });
  expect(plain.spec).not.toHaveProperty('healthCheckNodePort');
  expect(plain.spec).not.toHaveProperty('externalTrafficPolicy');
});

const asked = (service: ServiceObject, spec: Service['spec']): ServiceObject => ({ ...service, spec });
