import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Node } from '#api/gen/types';
import { RealClock, SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { SharedInformerFactory } from '#client/informer';
import { nodes } from '#client/resources';
import { FakeApiServer } from '#client/testing/fake-api-server';
import { NetworkAgent } from '#network/network-agent';
import { applySysctls } from '#network/node-setup';
import { driverLabel, networkAnnotations } from '../../../src-main/node-agent/agent-config.ts';
import { namespacesProgram, nftProgram, skipWithout } from '../../harness/programs.ts';
import { LabNet } from './lab-net.ts';

const clusterCidr = '10.244.0.0/16';
const poll = { timeout: 10_000, interval: 100 };

/** a and b on one link, c on another, with a router between. Pods pa, pb, pc. */
describe.skipIf(skipWithout(namespacesProgram, nftProgram))('routes between real network namespaces', () => {
  const net = new LabNet('nwr');
  const { context: life, cancel } = Context.background().withCancel();
  const server = new FakeApiServer(new SteppedClock());
  const folder = mkdtempSync(join(tmpdir(), 'drydock-routes-'));
  const agents = new Map<string, () => void>();
  const facts = [
    { name: 'a', ip: '192.168.1.2', link: 'one', podCIDR: '10.244.1.0/24' },
    { name: 'b', ip: '192.168.1.3', link: 'one', podCIDR: '10.244.2.0/24' },
    { name: 'c', ip: '192.168.2.2', link: 'two', podCIDR: '10.244.3.0/24' },
  ] as const;

  function startAgent(name: string, networkId: string): void {
    const clock = new RealClock();
    const random = new SeededRandom(1);
    const logger = silentLogger;
    const { context, cancel: stop } = life.withCancel();
    const { client } = server;
    const agent = new NetworkAgent({
      ...{ nodeName: name, networkId, clusterCidr, serviceCidr: '10.96.0.0/16', client, clock, random, logger },
      keys: { ...networkAnnotations, driver: driverLabel },
      cniFolder: join(folder, name),
      kernel: net.kernel(name),
      informers: new SharedInformerFactory({ client, clock, random, logger }),
    });
    agent.start(context);
    agents.set(name, stop);
  }

  async function putNode(name: string, podCIDR: string, ip: string, driver = 'docker'): Promise<void> {
    await server.client.resource<Node>(nodes).create(life, {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { [driverLabel]: driver } },
      spec: { podCIDR },
      status: { addresses: [{ type: 'InternalIP', address: ip }] },
    });
  }

  beforeAll(async () => {
    for (const link of ['one', 'two']) net.addLink(link);
    net.addNamespace('router');
    net.attach('router', 'one', '192.168.1.1/24');
    net.attach('router', 'two', '192.168.2.1/24');
    net.run('router', 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/ip_forward');
    for (const { name, ip, link, podCIDR } of facts) {
      const base = podCIDR.slice(0, -4);
      net.addNamespace(name);
      net.attach(name, link, `${ip}/24`);
      net.run(name, 'ip', 'route', 'add', 'default', 'via', ip.replace(/\d+$/, '1'));
      net.addPod(name, `p${name}`, `${base}5`, `${base}1`);
      await applySysctls(net.kernel(name), life, silentLogger);
      await putNode(name, podCIDR, ip);
      startAgent(name, link);
    }
    await net.serve('pc', 8080, 'pc');
    await net.serve('pb', 8080, 'pb');
    await net.serve('router', 8080, 'outside');
  });
  afterAll(() => {
    cancel();
    net.dispose();
    rmSync(folder, { recursive: true });
  });

  it('lets pods reach pods by a route on one link, with no NAT', async () => {
    await expect.poll(() => net.pings('pa', '10.244.2.5'), poll).toBe(true);
    expect(await net.ask('pa', '10.244.2.5', 8080)).toBe('pb 10.244.1.5');
    expect(net.run('a', 'ip', 'route', 'get', '10.244.2.5')).toContain('via 192.168.1.3 dev one');
  });

  it('lets pods reach pods through VXLAN between links, with no NAT and full packets', async () => {
    await expect.poll(() => net.pings('pa', '10.244.3.5'), poll).toBe(true);
    expect(await net.ask('pa', '10.244.3.5', 8080)).toBe('pc 10.244.1.5');
    expect(net.run('a', 'ip', 'route', 'get', '10.244.3.5')).toContain('dev drydock.vxlan');
    expect(await net.pings('pa', '10.244.3.5', '-M', 'do', '-s', '1422'), 'a packet of 1450 bytes').toBe(true);
    expect(await net.pings('pa', '10.244.3.5', '-M', 'do', '-s', '1423'), 'a packet of 1451 bytes').toBe(false);
  });

  it('lets the node itself reach pods of the others', async () => {
    await expect.poll(() => net.ask('c', '10.244.2.5', 8080), poll).toBe('pb 10.244.3.0');
    await expect.poll(() => net.ask('a', '10.244.2.5', 8080), poll).toBe('pb 192.168.1.2');
  });

  it('writes the CNI configuration with the range and MTU of the node', async () => {
    const text = readFileSync(join(folder, 'a', '10-drydock.conflist'), 'utf8');
    expect(JSON.parse(text)).toMatchObject({
      plugins: [{ mtu: 1450, ipam: { ranges: [[{ subnet: '10.244.1.0/24' }]] } }],
    });
  });

  it('gives packets to the outside the address of the node, and lets no address of the cluster out', async () => {
    await expect.poll(() => net.ask('pa', '192.168.1.1', 8080), poll).toBe('outside 192.168.1.2');
    expect(await net.try('a', 'ip', 'route', 'get', '10.244.77.7'), 'a pod that no node has').toBe(false);
    net.run('router', 'ip', 'addr', 'add', '10.96.0.99/32', 'dev', 'lo');
    expect(await net.pings('pa', '10.96.0.99'), 'a Service address that is nobody’s').toBe(false);
  });

  it('follows a changed address, a removed node, and mends what was taken away', async () => {
    await putNode('d', '10.244.4.0/24', '192.168.1.9');
    await server.client
      .resource<Node>(nodes)
      .patch(life, '', 'd', 'merge', { metadata: { annotations: { [networkAnnotations.networkId]: 'one' } } });
    const route = (): string => net.run('a', 'ip', 'route', 'show', '10.244.4.0/24');
    await expect.poll(route, poll).toContain('via 192.168.1.9');
    await server.client.resource<Node>(nodes).patch(
      life,
      '',
      'd',
      'merge',
      {
        status: { addresses: [{ type: 'InternalIP', address: '192.168.1.10' }] },
      },
      { subresource: 'status' },
    );
    await expect.poll(route, poll).toContain('via 192.168.1.10');
    await server.client.resource<Node>(nodes).delete(life, '', 'd');
    await expect.poll(route, poll).toBe('');

    net.run('a', 'ip', 'link', 'del', 'drydock.vxlan');
    net.run('a', 'ip', 'route', 'flush', 'proto', '141');
    agents.get('a')?.();
    startAgent('a', 'one');
    await expect.poll(() => net.ask('pa', '10.244.3.5', 8080), poll).toBe('pc 10.244.1.5');
    await expect.poll(() => net.ask('pa', '10.244.2.5', 8080), poll).toBe('pb 10.244.1.5');
  });

  it('does not disturb a connection when it is started again', async () => {
    const client = net.spawn(
      'pa',
      process.execPath,
      '-e',
      `const s=require('net').connect(8080,'10.244.3.5');s.pipe(process.stdout);process.stdin.pipe(s)`,
    );
    let heard = '';
    client.stdout?.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    await expect.poll(() => heard, poll).toContain('pc 10.244.1.5');
    agents.get('c')?.();
    startAgent('c', 'two');
    client.stdin?.write('still here');
    await expect.poll(() => heard, poll).toContain('still here');
  });
});
