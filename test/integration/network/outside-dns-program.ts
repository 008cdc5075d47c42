// A DNS server of the outside, of another make than ours: dns-packet and plain sockets, on port 53.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import dnsPacket, { type Answer, type Question } from 'dns-packet';

function answersTo({ name, type }: Question): Answer[] | undefined {
  const count = { 'www.example.org': 1, 'large.example.org': 80 }[name.toLowerCase()];
  if (count === undefined) return undefined;
  if (type !== 'A') return [];
  return Array.from({ length: count }, (_, i) => ({ type: 'A', name, ttl: 60, data: `203.0.113.${9 + i}` }));
}

function reply(message: Buffer, limit: number): Buffer {
  const query = dnsPacket.decode(message);
  const answers = query.questions?.[0] && answersTo(query.questions[0]);
  const flags = dnsPacket.RECURSION_AVAILABLE | (answers ? 0 : 3);
  const packet = { type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [] } as const;
  const whole = dnsPacket.encode({ ...packet, answers: answers ?? [] });
  return whole.length <= limit ? whole : dnsPacket.encode({ ...packet, flags: flags | dnsPacket.TRUNCATED_RESPONSE });
}

const datagrams = createSocket('udp4');
datagrams.on('message', (message, from) => datagrams.send(reply(message, 512), from.port, from.address));
const streams = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    const body = reply(chunk.subarray(2), 65_535);
    socket.write(Buffer.concat([Buffer.from([body.length >> 8, body.length & 255]), body]));
  });
});
datagrams.bind(53, () => streams.listen(53, () => process.stdout.write('up\n')));
