import { describe, expect, it } from 'vitest';
import type { Node } from '#api/gen/types';
import { routeChanges } from './route-table.ts';
import { wantedRoutes, type RoutingOptions } from './wanted-routes.ts';

const keys = { networkId: 'net/id', vtep: 'net/vtep', vtepMac: 'net/mac', driver: 'driver' };
const options: RoutingOptions = { nodeName: 'a', networkId: 'one', clusterCidr: '10.244.0.0/16', keys };

function node(name: string, podCIDR: string, ip: string, annotations: Record<string, string>, driver = 'docker'): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, annotations, labels: { driver } },
    spec: { ...(podCIDR ? { podCIDR } : {}) },
    status: { addresses: [{ type: 'InternalIP', address: ip }] },
  };
}

const tunnel = { 'net/id': 'two', 'net/vtep': '192.168.9.9', 'net/mac': '02:00:00:00:00:09' };

describe('wantedRoutes', () => {
  it('routes through the node on the same network and through a tunnel elsewhere', () => {
    const { routes, tunnels } = wantedRoutes(
      [
        node('a', '10.244.0.0/24', '172.18.0.2', { 'net/id': 'one' }),
        node('b', '10.244.1.0/24', '172.18.0.3', { 'net/id': 'one' }),
        node('c', '10.244.2.0/24', '192.168.9.9', tunnel),
      ],
      options,
    );
    expect([...routes]).toEqual([
      ['10.244.0.0/16', 'blackhole'],
      ['10.244.1.0/24', 'via 172.18.0.3'],
      ['10.244.2.0/24', 'via 10.244.2.0 dev drydock.vxlan onlink'],
    ]);
    expect(tunnels).toEqual([{ address: '10.244.2.0', mac: '02:00:00:00:00:09', vtep: '192.168.9.9' }]);
  });

  it('has none for simulated nodes, nor for nodes that have not said where they are', () => {
    const { routes } = wantedRoutes(
      [
        node('sim', '10.244.3.0/24', '172.30.1.1', {}, 'embedded'),
        node('new', '', '172.18.0.4', { 'net/id': 'one' }),
        node('silent', '10.244.5.0/24', '172.18.0.5', {}),
        node('half', '10.244.6.0/24', '172.18.0.6', { 'net/id': 'two' }),
      ],
      options,
    );
    expect([...routes.keys()]).toEqual(['10.244.0.0/16']);
  });
});

describe('routeChanges', () => {
  it('sets what is new or different, then deletes what nobody wants', () => {
    const before = new Map([
      ['10.244.0.0/16', 'blackhole'],
      ['10.244.1.0/24', 'via 172.18.0.3'],
      ['10.244.2.0/24', 'via 172.18.0.4'],
      ['10.245.0.0/16', 'blackhole'],
    ]);
    const wanted = new Map([
      ['10.244.0.0/16', 'blackhole'],
      ['10.244.1.0/24', 'via 172.18.0.9'],
      ['10.244.3.0/24', 'via 172.18.0.5'],
    ]);
    expect(routeChanges(before, wanted)).toEqual([
      'route replace 10.244.1.0/24 via 172.18.0.9 proto 141',
      'route replace 10.244.3.0/24 via 172.18.0.5 proto 141',
      'route del 10.244.2.0/24 proto 141',
      'route del blackhole 10.245.0.0/16 proto 141',
    ]);
  });
});
