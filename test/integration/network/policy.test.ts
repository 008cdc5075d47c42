import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Namespace, NetworkPolicy, NetworkPolicySpec, Pod } from '#api/gen/types';
import { RealClock, SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { SharedInformerFactory } from '#client/informer';
import { namespaces, networkPolicies, pods } from '#client/resources';
import { FakeApiServer } from '#client/testing/fake-api-server';
import { applySysctls } from '#network/node-setup';
import { PolicyEnforcer } from '#network/policy/policy-enforcer';
import { namespacesProgram, nftProgram, skipWithout } from '../../harness/programs.ts';
import { LabNet } from './lab-net.ts';

/** One node with pods web and db of namespace shop and spy of bank; a client on the link outside. */
describe.skipIf(skipWithout(namespacesProgram, nftProgram))('NetworkPolicy in a real kernel', () => {
  const net = new LabNet('nwp');
  const { context: life, cancel } = Context.background().withCancel();
  const server = new FakeApiServer(new SteppedClock());
  let changed = false;
  let enforcer: PolicyEnforcer;

  async function putPod(name: string, namespace: string, ip: string, labels: Record<string, string>): Promise<void> {
    await server.client.resource<Pod>(pods).create(life, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, labels },
      spec: {
        nodeName: 'n',
        containers: [{ name: 'main', ports: [{ name: 'http', containerPort: 8080 }] }],
      },
      status: { phase: 'Running', podIP: ip },
    });
  }

  async function apply(name: string, namespace: string, spec: NetworkPolicySpec): Promise<void> {
    const resource = server.client.resource<NetworkPolicy>(networkPolicies);
    await resource.create(life, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name, namespace },
      spec,
    });
    await settle();
  }

  async function remove(name: string, namespace: string): Promise<void> {
    await server.client.resource<NetworkPolicy>(networkPolicies).delete(life, namespace, name);
    await settle();
  }

  async function settle(): Promise<void> {
    await expect.poll(() => changed, { timeout: 5_000, interval: 20 }).toBe(true);
    changed = false;
    await enforcer.sync(life);
  }

  /** Who reaches port 8080 of `to` by TCP. */
  async function reach(to: string): Promise<string[]> {
    const clients = ['web', 'spy', 'out', 'n'];
    const answers = await Promise.all(clients.map((from) => net.ask(from, to, 8080)));
    return clients.filter((_from, i) => answers[i] !== undefined);
  }

  beforeAll(async () => {
    net.addLink('lan');
    net.addNamespace('n');
    net.attach('n', 'lan', '192.168.7.2/24');
    net.addNamespace('out');
    net.attach('out', 'lan', '192.168.7.9/24');
    net.run('out', 'ip', 'route', 'add', '10.244.1.0/24', 'via', '192.168.7.2');
    for (const [name, host] of [
      ['web', 5],
      ['db', 6],
      ['spy', 7],
    ] as const) {
      net.addPod('n', name, `10.244.1.${host}`, '10.244.1.1');
      await net.serve(name, 8080, name);
    }
    await net.serve('db', 5353, 'db', 'udp');
    await net.serve('db', 9000, 'db');
    await net.serve('out', 8080, 'out');
    await applySysctls(net.kernel('n'), life, silentLogger);
    for (const [name, team] of [
      ['shop', 'retail'],
      ['bank', 'money'],
    ] as const)
      await server.client
        .resource<Namespace>(namespaces)
        .create(life, { apiVersion: 'v1', kind: 'Namespace', spec: {}, metadata: { name, labels: { team } } });
    await putPod('web', 'shop', '10.244.1.5', { app: 'web' });
    await putPod('db', 'shop', '10.244.1.6', { app: 'db' });
    await putPod('spy', 'bank', '10.244.1.7', { app: 'spy' });
    const clock = new RealClock();
    const informers = new SharedInformerFactory({
      client: server.client,
      clock,
      random: new SeededRandom(1),
      logger: silentLogger,
    });
    enforcer = new PolicyEnforcer({
      nodeName: 'n',
      kernel: net.kernel('n'),
      informers,
      onChange: () => (changed = true),
    });
    informers.start(life);
    await enforcer.sync(life);
    changed = false;
  });
  afterAll(() => {
    cancel();
    net.dispose();
  });

  const db = { podSelector: { matchLabels: { app: 'db' } } };

  it('lets everybody through while there is no policy', async () => {
    expect(await reach('10.244.1.6')).toEqual(['web', 'spy', 'out', 'n']);
  });

  it('denies by default, but never the node itself, nor a pod to itself', async () => {
    await apply('deny', 'shop', { ...db, policyTypes: ['Ingress'] });
    expect(await reach('10.244.1.6')).toEqual(['n']);
    expect(await net.ask('db', '10.244.1.6', 8080)).toBeDefined();
    expect(await net.pings('web', '10.244.1.6')).toBe(false);
    expect(await net.ask('db', '10.244.1.5', 8080), 'egress is not restricted').toBe('web 10.244.1.6');
  });

  it('adds what other policies allow: pods by label, by a port’s name, blocks with exceptions', async () => {
    await apply('web', 'shop', {
      ...db,
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 'http' }] }],
    });
    expect(await reach('10.244.1.6')).toEqual(['web', 'n']);
    expect(await net.ask('web', '10.244.1.6', 9000), 'another port').toBeUndefined();
    await apply('money', 'shop', {
      ...db,
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [
            { namespaceSelector: { matchLabels: { team: 'money' } }, podSelector: { matchLabels: { app: 'spy' } } },
          ],
          ports: [{ port: 8000, endPort: 8100 }],
        },
      ],
    });
    expect(await reach('10.244.1.6')).toEqual(['web', 'spy', 'n']);
    await apply('lan', 'shop', {
      ...db,
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ ipBlock: { cidr: '192.168.7.0/24', except: ['192.168.7.9/32'] } }] }],
    });
    expect(await reach('10.244.1.6')).toEqual(['web', 'spy', 'n']);
    await remove('lan', 'shop');
    await apply('lan', 'shop', {
      ...db,
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ ipBlock: { cidr: '192.168.7.0/24', except: ['192.168.7.10/32'] } }] }],
    });
    expect(await reach('10.244.1.6')).toEqual(['web', 'spy', 'out', 'n']);
    for (const name of ['lan', 'money']) await remove(name, 'shop');
    expect(await reach('10.244.1.6')).toEqual(['web', 'n']);
  });

  it('tells UDP from TCP', async () => {
    expect(await net.ask('web', '10.244.1.6', 5353, 'udp')).toBeUndefined();
    await apply('udp', 'shop', {
      ...db,
      policyTypes: ['Ingress'],
      ingress: [{ ports: [{ protocol: 'UDP', port: 5353 }] }],
    });
    expect(await net.ask('web', '10.244.1.6', 5353, 'udp')).toBe('db 10.244.1.5');
    expect(await net.ask('spy', '10.244.1.6', 8080)).toBeUndefined();
    await remove('udp', 'shop');
  });

  it('restricts what goes out, to pods and to the outside', async () => {
    await apply('closed', 'bank', {
      podSelector: {},
      policyTypes: ['Egress'],
      egress: [{ to: [{ namespaceSelector: { matchLabels: { team: 'retail' } } }], ports: [{ port: 'http' }] }],
    });
    expect(await net.ask('spy', '10.244.1.5', 8080), 'a pod that is allowed').toBeDefined();
    expect(await net.ask('spy', '192.168.7.9', 8080), 'the outside').toBeUndefined();
    expect(await net.ask('web', '192.168.7.9', 8080), 'of a pod without a policy').toBeDefined();
    expect(await net.ask('spy', '10.244.1.6', 8080), 'allowed out, not allowed in').toBeUndefined();
    await remove('closed', 'bank');
    expect(await net.ask('spy', '192.168.7.9', 8080)).toBeDefined();
  });

  it('lets established connections go on', async () => {
    const client = net.spawn(
      'spy',
      process.execPath,
      '-e',
      `const s=require('net').connect(8080,'10.244.1.5');s.pipe(process.stdout);process.stdin.pipe(s)`,
    );
    let heard = '';
    client.stdout?.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    await expect.poll(() => heard, { timeout: 5_000 }).toContain('web 10.244.1.7');
    await apply('late', 'shop', { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    expect(await net.ask('spy', '10.244.1.5', 8080)).toBeUndefined();
    client.stdin?.write('still here');
    await expect.poll(() => heard, { timeout: 5_000 }).toContain('still here');
    await remove('late', 'shop');
  });

  it('follows pods that come, and puts back a ruleset that was taken away', async () => {
    net.addPod('n', 'web2', '10.244.1.8', '10.244.1.1');
    expect(await net.ask('web2', '10.244.1.6', 8080)).toBeUndefined();
    await putPod('web2', 'shop', '10.244.1.8', { app: 'web' });
    await settle();
    expect(await net.ask('web2', '10.244.1.6', 8080)).toBe('db 10.244.1.8');
    net.run('n', 'nft', 'flush', 'ruleset');
    expect(await net.ask('spy', '10.244.1.6', 8080)).toBeDefined();
    await enforcer.check(life);
    expect(await net.ask('spy', '10.244.1.6', 8080)).toBeUndefined();
    expect(await net.ask('web2', '10.244.1.6', 8080)).toBe('db 10.244.1.8');
  });
});
