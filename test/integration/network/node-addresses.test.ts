import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Node, Pod, Service } from '#api/gen/types';
import { RealClock, SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { SharedInformerFactory } from '#client/informer';
import { nodes, pods, services } from '#client/resources';
import { FakeApiServer } from '#client/testing/fake-api-server';
import { cleanUp } from '#network/cleanup';
import { NetworkAgent } from '#network/network-agent';
import { applySysctls } from '#network/node-setup';
import { driverLabel, networkAnnotations } from '../../../src-main/node-agent/agent-config.ts';
import { namespacesProgram, nftProgram, onPath, skipWithout } from '../../harness/programs.ts';
import { LabNet } from './lab-net.ts';

const arping = onPath('arping', 'apt-get install iputils-arping');
const poll = { timeout: 15_000, interval: 100 };
const vip = '192.168.8.200';

/** Nodes a and b and a host on one link, a pod on a. */
describe.skipIf(skipWithout(namespacesProgram, nftProgram, arping))('addresses and ports of real nodes', () => {
  const net = new LabNet('nwa');
  const { context: life, cancel } = Context.background().withCancel();
  const server = new FakeApiServer(new SteppedClock());
  const folder = mkdtempSync(join(tmpdir(), 'drydock-addresses-'));

  async function putNode(name: string, ip: string, podCIDR: string): Promise<void> {
    await server.client.resource<Node>(nodes).create(life, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { [driverLabel]: 'docker' }, annotations: { [networkAnnotations.networkId]: 'lan' } },
      spec: { podCIDR },
      status: {
        addresses: [{ type: 'InternalIP', address: ip }],
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    });
  }

  async function setReady(name: string, status: string): Promise<void> {
    const patch = { status: { conditions: [{ type: 'Ready', status }] } };
    await server.client.resource<Node>(nodes).patch(life, '', name, 'merge', patch, { subresource: 'status' });
  }

  const holders = (): string[] =>
    ['a', 'b'].filter((name) => net.run(name, 'ip', '-o', 'addr', 'show').includes(`${vip}/32`));

  beforeAll(async () => {
    net.addLink('lan');
    for (const [name, host] of [
      ['a', 2],
      ['b', 3],
      ['host', 9],
    ] as const) {
      net.addNamespace(name);
      net.attach(name, 'lan', `192.168.8.${host}/24`);
    }
    net.addPod('a', 'pod', '10.244.1.5', '10.244.1.1');
    await net.serve('pod', 8080, 'pod');
    await net.serve('pod', 5353, 'pod', 'udp');
    await putNode('a', '192.168.8.2', '10.244.1.0/24');
    await putNode('b', '192.168.8.3', '10.244.2.0/24');
    await server.client.resource<Service>(services).create(life, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { type: 'LoadBalancer', externalTrafficPolicy: 'Cluster' },
      status: { loadBalancer: { ingress: [{ ip: vip }] } },
    });
    for (const name of ['a', 'b']) {
      await applySysctls(net.kernel(name), life, silentLogger);
      const { client } = server;
      const parts = { client, clock: new RealClock(), random: new SeededRandom(1), logger: silentLogger };
      const agent = new NetworkAgent({
        ...{ nodeName: name, networkId: 'lan', clusterCidr: '10.244.0.0/16', serviceCidr: '10.96.0.0/16', ...parts },
        keys: { ...networkAnnotations, driver: driverLabel },
        cniFolder: join(folder, name),
        kernel: net.kernel(name),
        informers: new SharedInformerFactory(parts),
      });
      agent.start(life);
    }
  });
  afterAll(() => {
    cancel();
    net.dispose();
    rmSync(folder, { recursive: true });
  });

  it('holds a load-balancer address on exactly one node, which the link finds', async () => {
    await expect.poll(() => holders().length, poll).toBe(1);
    await expect.poll(() => net.pings('host', vip), poll).toBe(true);
  });

  it('moves it when that node is no longer Ready, and tells the neighbours', async () => {
    const [first = ''] = holders();
    const other = first === 'a' ? 'b' : 'a';
    const macOf = (name: string): string => net.run(name, 'cat', '/sys/class/net/lan/address').trim();
    expect(net.run('host', 'ip', 'neigh', 'show', vip)).toContain(macOf(first));
    await setReady(first, 'Unknown');
    await expect.poll(holders, poll).toEqual([other]);
    await expect.poll(() => net.run('host', 'ip', 'neigh', 'show', vip), poll).toContain(macOf(other));
    expect(await net.pings('host', vip)).toBe(true);
    await setReady(first, 'True');
    await expect.poll(holders, poll).toEqual([first]);
  });

  it('gives it back when the Service is gone', async () => {
    await server.client.resource<Service>(services).delete(life, 'shop', 'web');
    await expect.poll(holders, poll).toEqual([]);
  });

  it('forwards host ports to their pod, by TCP and UDP, also for the pod itself', async () => {
    const ports = [
      { containerPort: 8080, hostPort: 80 },
      { containerPort: 5353, hostPort: 53, protocol: 'UDP' },
    ];
    await server.client.resource<Pod>(pods).create(life, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'pod', namespace: 'shop' },
      spec: { nodeName: 'a', containers: [{ name: 'main', ports }] },
      status: { phase: 'Running', podIP: '10.244.1.5' },
    });
    await expect.poll(() => net.ask('host', '192.168.8.2', 80), poll).toBe('pod 192.168.8.9');
    expect(await net.ask('host', '192.168.8.2', 53, 'udp')).toBe('pod 192.168.8.9');
    expect(await net.ask('a', '192.168.8.2', 80)).toMatch(/^pod /);
    expect(await net.ask('pod', '192.168.8.2', 80)).toMatch(/^pod /);
    expect(await net.ask('host', '192.168.8.3', 80), 'another node').toBeUndefined();
    await server.client.resource<Pod>(pods).delete(life, 'shop', 'pod', { gracePeriodSeconds: 0 });
    await expect.poll(() => net.ask('host', '192.168.8.2', 80), poll).toBeUndefined();
  });

  it('takes everything away when it is told to', async () => {
    cancel();
    const { context } = Context.background().withCancel();
    const options = {
      logger: silentLogger,
      apiIp: '172.30.0.2',
      cniFolder: folder,
      sysctlFile: join(folder, 'none.json'),
    };
    await cleanUp(context, { ...options, kernel: net.kernel('b') });
    expect(net.run('b', 'ip', 'route', 'show', 'proto', '141')).toBe('');
    expect(net.run('b', 'nft', 'list', 'tables')).toBe('');
  });
});
