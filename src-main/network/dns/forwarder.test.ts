import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { SteppedClock, yieldToEventLoop } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import type { SocketAddress } from '#base/streams';
import { DnsServer } from './dns-server.ts';
import type { DnsExchange } from './exchange.ts';
import { DnsFrames, frame } from './frames.ts';
import { Forwarder } from './forwarder.ts';
import type { DnsSource } from './records.ts';
import { nameserversOf } from './resolv-conf.ts';
import { isTruncated, shortestTtl, udpLimit } from './wire.ts';

const nothing: DnsSource = {
  service: (namespace, name) =>
    name === 'alias'
      ? {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name, namespace },
          spec: { type: 'ExternalName', externalName: 'www.example.org' },
        }
      : undefined,
  slices: () => [],
  namespaceExists: () => true,
  serviceByIp: () => undefined,
  endpointByIp: () => undefined,
};

function query(name: string, id = 77, additionals: Answer[] = []): Uint8Array {
  const flags = dnsPacket.RECURSION_DESIRED;
  return dnsPacket.encode({ type: 'query', id, flags, questions: [{ type: 'A', name }], additionals });
}

function decode(message: Uint8Array): Packet & { rcode?: string } {
  return dnsPacket.decode(Buffer.from(message));
}

/** Answers every question with `answers`, and remembers whom it was asked as. */
function fixture(answers: Answer[], silent: readonly string[] = []) {
  const asked: { readonly ip: string; readonly id: number | undefined }[] = [];
  const clock = new SteppedClock();
  const exchange: DnsExchange = async (server, message) => {
    const { id = 0, questions = [] } = decode(message);
    asked.push({ ip: server.ip, id });
    if (silent.includes(server.ip)) throw new Error(`${server.ip} does not answer`);
    return dnsPacket.encode({ type: 'response', id, questions, answers });
  };
  const servers: SocketAddress[] = [
    { ip: '192.0.2.1', port: 53 },
    { ip: '192.0.2.2', port: 53 },
  ];
  const forwarder = new Forwarder({
    ...{ servers: () => servers, exchange, clock, random: new SeededRandom(3), logger: silentLogger },
  });
  const server = new DnsServer({ source: nothing, clock, domain: 'cluster.local', upstream: forwarder });
  return { asked, clock, forwarder, server };
}

const www: Answer = { type: 'A', name: 'www.example.org', ttl: 20, data: '203.0.113.9' };

describe('Forwarder', () => {
  it('asks once, and answers from its cache with what is left of the time to live', async () => {
    const { asked, clock, forwarder } = fixture([www]);
    expect(decode(await forwarder.forward(query('www.example.org', 5), 'udp'))).toMatchObject({ id: 5 });
    await clock.step(8_000);
    const second = decode(await forwarder.forward(query('WWW.example.org', 6), 'udp'));
    expect(second).toMatchObject({ id: 6, questions: [{ name: 'WWW.example.org' }], answers: [{ ttl: 12 }] });
    expect(asked).toHaveLength(1);
    await clock.step(12_000);
    await forwarder.forward(query('www.example.org', 7), 'udp');
    expect(asked).toHaveLength(2);
  });

  it('goes on to the next server, and starts with the one that answered', async () => {
    const { asked, forwarder } = fixture([www], ['192.0.2.1']);
    await forwarder.forward(query('a.example.org'), 'udp');
    await forwarder.forward(query('b.example.org'), 'udp');
    expect(asked.map((one) => one.ip)).toEqual(['192.0.2.1', '192.0.2.2', '192.0.2.2']);
  });

  it('asks a question that comes back to it only once', async () => {
    const clock = new SteppedClock();
    let asked = 0;
    const exchange: DnsExchange = async (_server, message) => {
      asked++;
      const timeout = clock.sleep(Context.background(), 2_000).then(() => Promise.reject(new Error('no answer')));
      return Promise.race([timeout, forwarder.forward(message, 'udp')]);
    };
    const forwarder = new Forwarder({
      ...{ servers: () => [{ ip: '192.0.2.1', port: 53 }], exchange, clock, logger: silentLogger },
      random: new SeededRandom(3),
    });
    const answer = forwarder.forward(query('loop.example.org'), 'udp');
    const failed = expect(answer).rejects.toThrow('no answer');
    await yieldToEventLoop();
    await clock.step(10_000);
    await failed;
    expect(asked).toBe(1);
  });
});

describe('DnsServer with an upstream', () => {
  it('passes on what is not the cluster’s, and says SERVFAIL when nobody answers', async () => {
    const { server } = fixture([www]);
    expect(decode(await server.answer(query('www.example.org')))).toMatchObject({ answers: [{ data: '203.0.113.9' }] });
    const { server: alone } = fixture([], ['192.0.2.1', '192.0.2.2']);
    expect(decode(await alone.answer(query('www.example.org', 9)))).toMatchObject({ id: 9, rcode: 'SERVFAIL' });
    expect(decode(await alone.answer(query('nope.shop.svc.cluster.local')))).toMatchObject({ rcode: 'NXDOMAIN' });
  });

  it('adds the addresses of an ExternalName of the outside', async () => {
    const { server } = fixture([www]);
    const { answers } = decode(await server.answer(query('alias.shop.svc.cluster.local')));
    expect(answers).toMatchObject([
      { type: 'CNAME', data: 'www.example.org' },
      { type: 'A', name: 'www.example.org', data: '203.0.113.9' },
    ]);
  });

  it('truncates for UDP what does not fit, as far as the client says it takes', async () => {
    const many = Array.from({ length: 36 }, (_, i): Answer => ({ ...www, data: `203.0.113.${i}` }) as Answer);
    const { server } = fixture(many);
    const small = await server.answer(query('www.example.org'));
    expect(isTruncated(small)).toBe(true);
    expect(decode(small)).toMatchObject({ id: 77, questions: [{ name: 'www.example.org' }] });
    expect(decode(small).answers).toHaveLength(15);
    expect(small.byteLength).toBeLessThanOrEqual(512);
    expect(decode(await server.answer(query('www.example.org'), 'tcp')).answers).toHaveLength(36);
    const opt = { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] } as unknown as Answer;
    expect(udpLimit(query('www.example.org', 1, [opt]))).toBe(1232);
    expect(isTruncated(await server.answer(query('www.example.org', 1, [opt])))).toBe(false);
  });
});

describe('the wire', () => {
  it('finds times to live behind compressed names', () => {
    const message = dnsPacket.encode({
      type: 'response',
      questions: [{ type: 'A', name: 'www.example.org' }],
      answers: [www, { ...www, ttl: 7 } as Answer],
    });
    expect(shortestTtl(message)).toBe(7);
  });

  it('cuts a stream into messages wherever it was cut', () => {
    const whole = Buffer.concat([frame(query('a.example.org')), frame(query('b.example.org'))]);
    for (let cut = 0; cut <= whole.length; cut++) {
      const frames = new DnsFrames();
      const messages = [...frames.push(whole.subarray(0, cut)), ...frames.push(whole.subarray(cut))];
      expect(messages.map((one) => decode(one).questions?.[0]?.name)).toEqual(['a.example.org', 'b.example.org']);
    }
  });
});

describe('nameserversOf', () => {
  it('takes three IPv4 servers and none that would ask us again', () => {
    const text =
      '# made by hand\nnameserver 10.96.0.10\n nameserver 192.0.2.7 # office\nnameserver fd00::1\nsearch a\n';
    expect(nameserversOf(text, ['10.96.0.10'])).toEqual([{ ip: '192.0.2.7', port: 53 }]);
  });
});
