import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { NftablesBackend } from '#kube-proxy/nftables/backend';
import type { RunCommand } from '#kube-proxy/nftables/command';
import type { NodeNetwork } from '#kube-proxy/nftables/ruleset';
import type { ServiceRule } from '#kube-proxy/service-rules';
import { skipWithout } from '../../harness/programs.ts';
import { namespacePrograms, TestNode } from './namespaces.ts';
import { other, podA, podB, rulesFor } from './objects.ts';

const skip = skipWithout(...namespacePrograms);
const vip = '10.96.0.10';
const network: NodeNetwork = {
  clusterCidr: '10.244.0.0/16',
  serviceCidr: '10.96.0.0/16',
  nodeIPs: ['192.168.77.1', '192.168.78.1'],
  localhostNodePorts: true,
};

describe.skipIf(skip)('nftables, with real packets', () => {
  let node: TestNode;
  let backend: NftablesBackend;
  /** Input of each `nft -f`. */
  let written: string[] = [];

  function newBackend(change: Partial<NodeNetwork> = {}): NftablesBackend {
    const run: RunCommand = (program, args, input) => {
      if (program === 'nft' && args[0] === '-f') written.push(input ?? '');
      return node.run(program, args, input);
    };
    const clock = new RealClock();
    const options = { run, clock, random: new SeededRandom(1), logger: silentLogger };
    return new NftablesBackend({ ...options, network: () => ({ ...network, ...change }) });
  }

  async function apply(rules: readonly ServiceRule[]): Promise<void> {
    backend.replace(rules);
    await backend.settled();
  }

  const names = (answers: readonly string[]): string[] =>
    [...new Set(answers.map((one) => one.split(' ')[0] ?? ''))].sort();

  beforeAll(async () => {
    node = await TestNode.create(`kpx${process.pid}`);
    node.sysctl('net/ipv4/conf/all/route_localnet', '1');
    backend = newBackend();
  });
  afterEach(async () => {
    await backend.stop();
    node.exec('node', 'nft', 'flush', 'ruleset');
    written = [];
    backend = newBackend();
  });
  afterAll(async () => {
    await backend.stop();
    node.dispose();
  });

  it.each(['tcp', 'udp'] as const)('spreads %s to a cluster IP over all endpoints', async (protocol) => {
    const given = { name: 'web', clusterIP: vip, endpoints: [podA, podB, other] };
    await apply(rulesFor({ ...given, protocol: protocol === 'tcp' ? 'TCP' : 'UDP' }));
    const answers = await node.ask('pod-a', protocol, vip, 80, 40);
    expect(names(answers)).toEqual(['other', 'pod-a', 'pod-b']);
    // Pods keep their address, except towards themselves.
    expect(new Set(answers.filter((one) => !one.startsWith('pod-a')))).toEqual(
      new Set(['pod-b 10.244.1.2', 'other 10.244.1.2']),
    );
  });

  it('lets a pod call itself through its service', async () => {
    await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [podA] }));
    expect(await node.ask('pod-a', 'tcp', vip, 80, 3)).toEqual(Array(3).fill('pod-a 10.244.1.1'));
  });

  it('answers on node ports at every address of the node, 127.0.0.1 included', async () => {
    const spec = { type: 'NodePort' };
    await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [other], nodePort: 30080, spec }));
    expect(await node.ask('client', 'tcp', '192.168.78.1', 30080)).toEqual(['other 192.168.77.1']);
    expect(await node.ask('client', 'tcp', '192.168.77.1', 30080)).toEqual(['other 192.168.77.1']);
    expect(await node.ask('pod-a', 'tcp', '10.244.1.1', 30080)).toEqual(['other 192.168.77.1']);
    expect(await node.ask('node', 'tcp', '192.168.78.1', 30080)).toEqual(['other 192.168.77.1']);
    expect(await node.ask('node', 'tcp', '127.0.0.1', 30080)).toEqual(['other 192.168.77.1']);
  });

  it('reaches a backend on the node itself', async () => {
    const endpoints = [{ addresses: ['192.168.77.1'], nodeName: 'node' }];
    await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints, nodePort: 30081, spec: { type: 'NodePort' } }));
    for (const from of ['node', 'pod-a', 'client'])
      expect(names(await node.ask(from, 'tcp', vip, 80))).toEqual(['node']);
    expect(names(await node.ask('node', 'tcp', '127.0.0.1', 30081))).toEqual(['node']);
  });

  it('masquerades what enters a cluster IP from outside', async () => {
    await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [other] }));
    expect(await node.ask('client', 'tcp', vip, 80)).toEqual(['other 192.168.77.1']);
  });

  it('keeps the client address with externalTrafficPolicy Local, and drops where the node has no backend', async () => {
    const spec = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' };
    const given = { name: 'web', clusterIP: vip, loadBalancerIP: '192.0.2.7', nodePort: 30082, spec };
    await apply(rulesFor({ ...given, endpoints: [podA, other] }));
    expect(await node.ask('client', 'tcp', '192.0.2.7', 80, 10)).toEqual(Array(10).fill('pod-a 192.168.78.2'));
    expect(await node.ask('client', 'tcp', '192.168.78.1', 30082)).toEqual(['pod-a 192.168.78.2']);
    await apply(rulesFor({ ...given, endpoints: [other] }));
    expect(await node.ask('client', 'tcp', '192.0.2.7', 80)).toEqual(['timeout']);
    expect(await node.ask('client', 'tcp', '192.168.78.1', 30082)).toEqual(['timeout']);
    // The policy is for traffic from outside: pods and the node are served from anywhere.
    expect(await node.ask('pod-b', 'tcp', '192.0.2.7', 80)).toEqual(['other 10.244.1.3']);
    expect(names(await node.ask('node', 'tcp', '192.0.2.7', 80))).toEqual(['other']);
    expect(names(await node.ask('node', 'tcp', '127.0.0.1', 30082))).toEqual(['other']);
  });

  it('drops with internalTrafficPolicy Local where the node has no backend', async () => {
    const spec = { internalTrafficPolicy: 'Local' };
    await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [podB, other], spec }));
    expect(names(await node.ask('pod-a', 'tcp', vip, 80, 10))).toEqual(['pod-b']);
    await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [other], spec }));
    expect(await node.ask('pod-a', 'tcp', vip, 80)).toEqual(['timeout']);
  });

  it('refuses at once where a service has no endpoints, and on ports it does not have', async () => {
    const given = { name: 'web', clusterIP: vip, loadBalancerIP: '192.0.2.7', nodePort: 30083 };
    await apply(rulesFor({ ...given, endpoints: [], spec: { type: 'LoadBalancer' } }));
    for (const from of ['pod-a', 'node', 'client']) {
      expect([from, ...(await node.ask(from, 'tcp', vip, 80))]).toEqual([from, 'ECONNREFUSED']);
      expect(await node.ask(from, 'tcp', vip, 81)).toEqual(['ECONNREFUSED']);
      expect(await node.ask(from, 'tcp', '192.0.2.7', 80)).toEqual(['ECONNREFUSED']);
      expect(await node.ask(from, 'tcp', '192.168.78.1', 30083)).toEqual(['ECONNREFUSED']);
    }
    expect(await node.ask('pod-a', 'tcp', '10.96.9.9', 80)).toEqual(['timeout']);
  });

  it('keeps clients out that loadBalancerSourceRanges does not name', async () => {
    const given = { name: 'web', clusterIP: vip, loadBalancerIP: '192.0.2.7', endpoints: [podA], nodePort: 30084 };
    const ranged = (range: string): readonly ServiceRule[] =>
      rulesFor({ ...given, spec: { type: 'LoadBalancer', loadBalancerSourceRanges: [range] } });
    await apply(ranged('192.168.77.0/24'));
    expect(await node.ask('client', 'tcp', '192.0.2.7', 80)).toEqual(['timeout']);
    expect(names(await node.ask('other', 'tcp', '192.0.2.7', 80))).toEqual(['pod-a']);
    expect(names(await node.ask('client', 'tcp', '192.168.78.1', 30084))).toEqual(['pod-a']);
    await apply(ranged('192.168.78.2/32'));
    expect(names(await node.ask('client', 'tcp', '192.0.2.7', 80))).toEqual(['pod-a']);
  });

  it('sends a client back to its backend with ClientIP affinity, also after kube-proxy starts again', async () => {
    const given = { name: 'web', clusterIP: vip, endpoints: [podA, podB, other], nodePort: 30085 };
    const rules = rulesFor({ ...given, spec: { type: 'NodePort', sessionAffinity: 'ClientIP' } });
    await apply(rules);
    const [first = ''] = names(await node.ask('client', 'tcp', vip, 80));
    expect(names(await node.ask('client', 'tcp', vip, 80, 20))).toEqual([first]);
    expect(names(await node.ask('client', 'tcp', '192.168.78.1', 30085, 20))).toEqual([first]);
    await backend.stop();
    backend = newBackend();
    await apply(rules);
    expect(names(await node.ask('client', 'tcp', vip, 80, 20))).toEqual([first]);
    const left = { 'pod-a': [podB, other], 'pod-b': [podA, other], other: [podA, podB] }[first] ?? [];
    await apply(rulesFor({ ...given, endpoints: left, spec: { type: 'NodePort', sessionAffinity: 'ClientIP' } }));
    const next = names(await node.ask('client', 'tcp', vip, 80, 20));
    expect(next).toHaveLength(1);
    expect(next).not.toEqual([first]);
  });

  it('forgets a client after its timeout', async () => {
    const sessionAffinityConfig = { clientIP: { timeoutSeconds: 1 } };
    const spec = { sessionAffinity: 'ClientIP', sessionAffinityConfig };
    await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [podA, podB, other], spec }));
    expect(names(await node.ask('client', 'tcp', vip, 80, 10))).toHaveLength(1);
    const seen = new Set<string>();
    await expect
      .poll(
        async () => {
          for (const name of names(await node.ask('client', 'tcp', vip, 80))) seen.add(name);
          return seen.size;
        },
        { interval: 1_500, timeout: 60_000 },
      )
      .toBeGreaterThan(1);
  });

  it('leaves connections alone when their endpoint goes', async () => {
    await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [podB] }));
    const held = node.hold('pod-a', 'tcp', vip, 80);
    expect(await held.ask()).toBe('pod-b 10.244.1.2');
    await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [other] }));
    expect(names(await node.ask('pod-a', 'tcp', vip, 80, 5))).toEqual(['other']);
    expect(await held.ask()).toBe('pod-b 10.244.1.2');
    await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [] }));
    expect(await node.ask('pod-a', 'tcp', vip, 80)).toEqual(['ECONNREFUSED']);
    expect(await held.ask()).toBe('pod-b 10.244.1.2');
    await apply([]);
    expect(await held.ask()).toBe('pod-b 10.244.1.2');
  });

  it('moves a UDP client that keeps its port when its endpoint goes', async () => {
    const given = {
      name: 'dns',
      clusterIP: vip,
      protocol: 'UDP',
      nodePort: 30086,
      spec: { type: 'NodePort' },
    } as const;
    await apply(rulesFor({ ...given, endpoints: [podB] }));
    const byAddress = node.hold('pod-a', 'udp', vip, 80);
    const byNodePort = node.hold('client', 'udp', '192.168.78.1', 30086);
    expect(names([await byAddress.ask(), await byNodePort.ask()])).toEqual(['pod-b']);
    await apply(rulesFor({ ...given, endpoints: [other] }));
    expect(names([await byAddress.ask(), await byNodePort.ask()])).toEqual(['other']);
  });

  it('serves while kube-proxy is down, and a new one breaks no connection and cleans up', async () => {
    const kept = { name: 'kept', clusterIP: vip, endpoints: [podB] };
    await apply(rulesFor(kept, { name: 'gone', clusterIP: '10.96.0.11', endpoints: [podA] }));
    const held = node.hold('pod-a', 'tcp', vip, 80);
    expect(await held.ask()).toBe('pod-b 10.244.1.2');
    await backend.stop();
    expect(await held.ask()).toBe('pod-b 10.244.1.2');
    expect(await node.ask('pod-a', 'tcp', vip, 80)).toEqual(['pod-b 10.244.1.2']);
    backend = newBackend();
    await apply(rulesFor(kept));
    expect(await held.ask()).toBe('pod-b 10.244.1.2');
    expect(await node.ask('pod-a', 'tcp', vip, 80)).toEqual(['pod-b 10.244.1.2']);
    expect(await node.ask('pod-a', 'tcp', '10.96.0.11', 80)).toEqual(['timeout']);
    await expect
      .poll(() => node.exec('node', 'nft', 'list', 'chains', 'ip'), { timeout: 10_000 })
      .not.toContain('default/gone');
  });

  it('writes only what changed', async () => {
    const [web] = rulesFor({ name: 'web', clusterIP: vip, endpoints: [podA] });
    const api = { name: 'api', clusterIP: '10.96.0.11' };
    const [before] = rulesFor({ ...api, endpoints: [podB] });
    const [after] = rulesFor({ ...api, endpoints: [podB, other] });
    if (!web || !before || !after) throw new Error('three rules were to be made');
    await apply([web, before]);
    written = [];
    await apply([web, before]);
    expect(written).toEqual([]);
    await apply([web, after]);
    expect(written.join('')).toMatch(/default\/api\/tcp/);
    expect(written.join('')).not.toMatch(/default\/web|element|nat-|add map/);
    written = [];
    await apply([web]);
    expect(written.join('')).not.toMatch(/default\/web|nat-|add/);
    expect(await node.ask('pod-b', 'tcp', vip, 80)).toEqual(['pod-a 10.244.1.3']);
  });

  it('writes everything again when a transaction fails', async () => {
    await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [podA] }));
    node.exec('node', 'nft', 'flush', 'ruleset');
    backend.replace(rulesFor({ name: 'web', clusterIP: vip, endpoints: [podB] }));
    await expect.poll(() => node.ask('pod-a', 'tcp', vip, 80), { timeout: 20_000 }).toEqual(['pod-b 10.244.1.2']);
  });

  it('replaces a table of another shape', async () => {
    node.exec('node', 'nft', 'add table ip kube-proxy; add set ip kube-proxy service-ips { type ipv4_addr; }');
    backend.replace(rulesFor({ name: 'web', clusterIP: vip, endpoints: [podB] }));
    await expect.poll(() => node.ask('pod-a', 'tcp', vip, 80), { timeout: 30_000 }).toEqual(['pod-b 10.244.1.2']);
  });

  it('translates between pods of one bridge without br_netfilter too', async () => {
    const path = 'net/bridge/bridge-nf-call-iptables';
    const was = node.sysctl(path);
    node.sysctl(path, '0');
    try {
      await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [podB] }));
      // The need is real: the answer comes over the bridge from an address nobody asked.
      expect(await node.ask('pod-a', 'tcp', vip, 80)).toEqual(['timeout']);
      await backend.stop();
      backend = newBackend({ bridgedCidr: '10.244.1.0/24' });
      await apply(rulesFor({ name: 'web', clusterIP: vip, endpoints: [podB, podA] }));
      expect(names(await node.ask('pod-a', 'tcp', vip, 80, 20))).toEqual(['pod-a', 'pod-b']);
    } finally {
      node.sysctl(path, was);
    }
  });
});
