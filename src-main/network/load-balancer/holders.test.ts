import { describe, expect, it } from 'vitest';
import type { EndpointSlice, Node, Service } from '#api/gen/types';
import { addressHolders } from './holders.ts';

const keys = { networkId: 'net/id', vtep: 'net/vtep', vtepMac: 'net/mac', driver: 'driver' };

function node(
  name: string,
  ip: string,
  facts: { ready?: boolean; network?: string; driver?: string; excluded?: boolean } = {},
): Node {
  const { ready = true, network = 'docker', driver = 'docker', excluded = false } = facts;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { driver, ...(excluded ? { 'node.kubernetes.io/exclude-from-external-load-balancers': '' } : {}) },
      annotations: { 'net/id': network },
    },
    spec: {},
    status: {
      addresses: [{ type: 'InternalIP', address: ip }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }],
    },
  };
}

function balancer(ip: string, externalTrafficPolicy: 'Cluster' | 'Local' = 'Cluster'): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { type: 'LoadBalancer', externalTrafficPolicy },
    status: { loadBalancer: { ingress: [{ ip }] } },
  };
}

const slice: EndpointSlice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', namespace: 'shop' },
  addressType: 'IPv4',
  endpoints: [
    { addresses: ['10.244.3.5'], nodeName: 'c', conditions: { ready: true } },
    { addresses: ['10.244.1.5'], nodeName: 'a', conditions: { ready: false } },
  ],
};

const three = [node('a', '172.20.0.3'), node('b', '172.20.0.4'), node('c', '172.20.0.5')];
const holdersOf = (services: readonly Service[], nodes: readonly Node[]): ReadonlyMap<string, string> =>
  addressHolders({ services, nodes, slicesOf: () => [slice], keys });

describe('addressHolders', () => {
  it('spreads addresses over nodes, the same for whoever computes it', () => {
    const services = Array.from({ length: 30 }, (_, i) => balancer(`172.20.255.${i + 1}`));
    const holders = holdersOf(services, three);
    expect(holders.size).toBe(30);
    expect(new Set(holders.values())).toEqual(new Set(['a', 'b', 'c']));
    expect(holdersOf(services, [...three].reverse())).toEqual(holders);
  });

  it('moves only the addresses of a node that died', () => {
    const services = Array.from({ length: 30 }, (_, i) => balancer(`172.20.255.${i + 1}`));
    const before = holdersOf(services, three);
    const after = holdersOf(services, [...three.slice(0, 2), node('c', '172.20.0.5', { ready: false })]);
    for (const [ip, holder] of before) {
      if (holder === 'c') expect(['a', 'b']).toContain(after.get(ip));
      else expect(after.get(ip)).toBe(holder);
    }
  });

  it('asks nodes of the address’ own network only, and none that is simulated or excluded', () => {
    const nodes = [
      node('far', '192.168.1.5', { network: 'home', driver: 'ssh' }),
      node('sim', '172.20.255.2', { driver: 'embedded' }),
      node('out', '172.20.0.2', { excluded: true }),
      node('in', '172.20.0.3'),
    ];
    expect(holdersOf([balancer('172.20.255.1')], nodes).get('172.20.255.1')).toBe('in');
    expect(holdersOf([balancer('172.20.255.1')], nodes.slice(0, 3)).size).toBe(0);
  });

  it('takes a node that has a ready endpoint when the policy is Local', () => {
    expect(holdersOf([balancer('172.20.255.1', 'Local')], three).get('172.20.255.1')).toBe('c');
    expect(holdersOf([balancer('172.20.255.1', 'Local')], three.slice(0, 2)).size).toBe(0);
  });
});
