import { expect, it } from 'vitest';
import type { EndpointSlice } from '#api/gen/types';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { DialError, type ByteStream, type SocketAddress } from '#base/streams';
import type { ResourceClient } from '#client/client';
import { DnsServer } from '#network/dns/dns-server';
import { serveFrames } from '#network/dns/frames';
import type { DnsSource } from '#network/dns/records';
import { untilDnsAnswers, type DnsClient } from './dns-readiness.ts';

const context = Context.background();
const service = '10.96.0.10';

/** Cluster DNS with one Service in it. */
const source: DnsSource = {
  service: (namespace, name) =>
    `${namespace}/${name}` === 'default/kubernetes'
      ? { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { clusterIP: '10.96.0.1' } }
      : undefined,
  slices: () => [],
  namespaceExists: (name) => name === 'default',
  serviceByIp: () => undefined,
  endpointByIp: () => undefined,
};

/** What is ready by the API, and at which addresses a server answers by the truth. */
class FakeNodes {
  readonly clock = new SteppedClock();
  endpoints: EndpointSlice['endpoints'] = [];
  readonly serving = new Set<string>();
  readonly asked: string[] = [];
  refusal: DialError['code'] = 'ECONNREFUSED';

  node(name: string): DnsClient {
    const config = { name, driver: 'docker', ip: '', cpus: 1, memoryBytes: 1 } as DnsClient['config'];
    return { config, dial: async (_context, address) => this.#dial(name, address) };
  }

  ready(...all: readonly (readonly [node: string, ip: string])[]): void {
    this.endpoints = all.map(([nodeName, ip]) => ({ nodeName, addresses: [ip], conditions: { ready: true } }));
  }

  until(...names: readonly string[]): Promise<readonly string[]> {
    const list = async () => ({
      metadata: { resourceVersion: '1' },
      items: [
        {
          ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata: { name: 's' }, addressType: 'IPv4' },
          ...{ ports: [{ name: 'dns-tcp', port: 53, protocol: 'TCP' }], endpoints: this.endpoints },
        },
      ],
    });
    const slices = { list } as unknown as ResourceClient<EndpointSlice>;
    const nodes = names.map((name) => this.node(name));
    return untilDnsAnswers(context, nodes, { slices, clock: this.clock });
  }

  #dial(name: string, { ip, port }: SocketAddress): ByteStream {
    this.asked.push(`${name} ${ip}:${port}`);
    if (!this.serving.has(ip)) throw new DialError(this.refusal, `${ip}:${port}`);
    const server = new DnsServer({ source, clock: this.clock, domain: 'cluster.local' });
    const sent: Uint8Array[] = [];
    async function* incoming(): AsyncGenerator<Uint8Array> {
      const replies: Uint8Array[] = [];
      const take = async (reply: Uint8Array): Promise<void> => void replies.push(reply);
      await serveFrames(
        (async function* () {
          yield* sent;
        })(),
        take,
        (message) => server.answer(message, 'tcp'),
      );
      yield* replies;
    }
    const write = async (chunk: Uint8Array): Promise<void> => void sent.push(chunk);
    return { incoming: incoming(), write, end: () => undefined, destroy: () => undefined };
  }
}

it('waits for an endpoint, and asks no node before there is one', async () => {
  const nodes = new FakeNodes();
  const done = nodes.until('a', 'b');
  await nodes.clock.step(1_000);
  expect(nodes.asked).toEqual([]);
  nodes.ready(['a', '10.244.0.2']);
  nodes.serving.add('10.244.0.2').add(service);
  await nodes.clock.step(1_000);
  expect(await done).toEqual([]);
  expect(nodes.asked.sort()).toEqual([`a 10.244.0.2:53`, `a ${service}:53`, `b ${service}:53`]);
});

it('is not content with what the API tells of a node that was down, though another endpoint answers', async () => {
  const nodes = new FakeNodes();
  nodes.ready(['a', '10.244.0.2'], ['b', '10.244.1.2']);
  nodes.serving.add('10.244.0.2').add(service);
  let ended = false;
  const done = nodes.until('a', 'b').finally(() => (ended = true));
  await nodes.clock.step(5_000);
  expect(ended).toBe(false);
  nodes.ready(['a', '10.244.0.2'], ['b', '10.244.1.3']);
  nodes.serving.add('10.244.1.3');
  await nodes.clock.step(1_000);
  expect(await done).toEqual([]);
});

it('waits for the rules that lead to the endpoints; no route of a node’s own to them is no fault', async () => {
  const nodes = new FakeNodes();
  nodes.ready(['a', '10.244.0.2']);
  nodes.serving.add('10.244.0.2');
  let ended = false;
  const done = nodes.until('a').finally(() => (ended = true));
  await nodes.clock.step(5_000);
  expect(ended).toBe(false);
  nodes.refusal = 'ENETUNREACH';
  await nodes.clock.step(1_000);
  expect(await done).toEqual([]);
});

it('names the nodes without DNS after a minute', async () => {
  const nodes = new FakeNodes();
  nodes.ready(['b', '10.244.1.2']);
  nodes.serving.add(service);
  const done = nodes.until('a', 'b');
  for (let second = 0; second < 60; second++) await nodes.clock.step(1_000);
  expect(await done).toEqual(['b']);
});
