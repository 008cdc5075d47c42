import { describe, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { SeededRandom } from '#base/random';
import type { Socket } from '#base/streams';
import { Fabric, type FabricNode } from './fabric.ts';

const text = new TextDecoder();
const bytes = new TextEncoder();

function lab(): { clock: SteppedClock; fabric: Fabric; one: FabricNode; two: FabricNode } {
  const clock = new SteppedClock();
  const fabric = new Fabric({ clock, random: new SeededRandom(7) });
  const one = fabric.addNode('worker-1', '172.30.0.11');
  const two = fabric.addNode('worker-2', '172.30.0.12');
  one.setPodCidr('10.244.1.0/24');
  two.setPodCidr('10.244.2.0/24');
  return { clock, fabric, one, two };
}

async function readAll(socket: Socket): Promise<string> {
  let all = '';
  for await (const chunk of socket.incoming) all += text.decode(chunk);
  return all;
}

function answerWith(reply: string): (socket: Socket) => void {
  return (socket) => {
    void socket.write(bytes.encode(reply)).then(() => socket.end());
  };
}

const background = Context.background();

describe('Fabric', () => {
  it('carries bytes between pods of different nodes and shows the client its own address', async () => {
    const { one, two } = lab();
    const client = one.attach({ id: 'a', hostNetwork: false }).namespace;
    const server = two.attach({ id: 'b', hostNetwork: false }).namespace;
    let seenFrom = '';
    server.listen(80, (socket) => {
      seenFrom = socket.remote.ip;
      answerWith('hello')(socket);
    });
    const socket = await client.dial(background, { ip: server.ip, port: 80 });
    expect(await readAll(socket)).toBe('hello');
    expect(seenFrom).toBe(client.ip);
  });

  it('refuses a port nobody listens on', async () => {
    const { one } = lab();
    const pod = one.attach({ id: 'a', hostNetwork: false }).namespace;
    await expect(pod.dial(background, { ip: one.host.ip, port: 9 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('translates a cluster address by the rules of the sending node, and refuses a service without backends', async () => {
    const { one, two } = lab();
    const client = one.attach({ id: 'a', hostNetwork: false }).namespace;
    const server = two.attach({ id: 'b', hostNetwork: false }).namespace;
    server.listen(8080, answerWith('served'));
    const rule = {
      service: 'default/web',
      portName: '',
      protocol: 'TCP',
      addresses: ['10.96.0.20'],
      port: 80,
      nodePort: 30080,
    };
    const backends = [{ ip: server.ip, port: 8080 }];
    one.services.replace([{ ...rule, internal: backends, external: backends }]);
    expect(await readAll(await client.dial(background, { ip: '10.96.0.20', port: 80 }))).toBe('served');
    expect(await readAll(await two.host.dial(background, { ip: one.host.ip, port: 30080 }))).toBe('served');
    one.services.replace([{ ...rule, internal: [], external: [] }]);
    await expect(client.dial(background, { ip: '10.96.0.20', port: 80 })).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
  });

  it('keeps a client on one backend while affinity lasts', async () => {
    const { clock, one, two } = lab();
    const client = one.attach({ id: 'c', hostNetwork: false }).namespace;
    const pods = ['x', 'y', 'z'].map((id) => two.attach({ id, hostNetwork: false }).namespace);
    for (const pod of pods) pod.listen(80, answerWith(pod.ip));
    const internal = pods.map((pod) => ({ ip: pod.ip, port: 80 }));
    one.services.replace([
      {
        service: 'd/s',
        portName: '',
        protocol: 'TCP',
        addresses: ['10.96.0.9'],
        port: 80,
        internal,
        external: [],
        affinitySeconds: 60,
      },
    ]);
    const ask = async (): Promise<string> => readAll(await client.dial(background, { ip: '10.96.0.9', port: 80 }));
    const first = await ask();
    for (let i = 0; i < 10; i++) expect(await ask()).toBe(first);
    await clock.step(3_600_000);
    const later = new Set<string>();
    for (let i = 0; i < 30; i++) {
      later.add(await ask());
      await clock.step(61_000);
    }
    expect(later.size).toBeGreaterThan(1);
  });

  it('loses packets to a node that is down, breaks its connections and frees its addresses', async () => {
    const { clock, one, two } = lab();
    const client = one.attach({ id: 'a', hostNetwork: false }).namespace;
    const server = two.attach({ id: 'b', hostNetwork: false }).namespace;
    server.listen(80, () => {});
    const open = await client.dial(background, { ip: server.ip, port: 80 });
    two.setUp(false);
    await expect(readAll(open)).rejects.toThrow('worker-2 is down');
    const failed = expect(client.dial(background, { ip: two.host.ip, port: 80 })).rejects.toMatchObject({
      code: 'ETIMEDOUT',
    });
    await clock.step(127_000);
    await failed;
    two.setUp(true);
    expect(two.attach({ id: 'n', hostNetwork: false }).namespace.ip).not.toBe('');
  });

  it('gives addresses of the pod CIDR, never the same twice in a row, until none is left', () => {
    const { fabric } = lab();
    const small = fabric.addNode('small', '172.30.0.13');
    small.setPodCidr('10.244.3.0/29');
    const given = ['a', 'b', 'c', 'd', 'e'].map((id) => small.attach({ id, hostNetwork: false }).namespace.ip);
    expect(given).toEqual(['10.244.3.2', '10.244.3.3', '10.244.3.4', '10.244.3.5', '10.244.3.6']);
    expect(() => small.attach({ id: 'f', hostNetwork: false })).toThrow('no IP addresses available');
  });

  it('answers datagrams, and times out when nothing answers', async () => {
    const { clock, one } = lab();
    const pod = one.attach({ id: 'a', hostNetwork: false }).namespace;
    one.host.listenDatagram(53, (payload, _from, reply) => reply(bytes.encode(`${text.decode(payload)}!`)));
    expect(text.decode(await pod.exchangeDatagram(background, { ip: one.host.ip, port: 53 }, bytes.encode('hi')))).toBe(
      'hi!',
    );
    one.host.listenDatagram(54, () => {});
    const silent = expect(
      pod.exchangeDatagram(background, { ip: one.host.ip, port: 54 }, bytes.encode('hi')),
    ).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    await clock.step(5_000);
    await silent;
  });
});
