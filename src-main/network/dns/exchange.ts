import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Clock } from '#base/clock';
import type { SocketAddress } from '#base/streams';
import { DnsFrames, frame } from './frames.ts';
import { idOf, isResponse, sameQuestion } from './wire.ts';

export type DnsTransport = 'udp' | 'tcp';

/** Sends `query` to one server and resolves with its reply. Rejects after `timeoutMs`, or when the network says no. */
export type DnsExchange = (
  server: SocketAddress,
  query: Uint8Array,
  transport: DnsTransport,
  timeoutMs: number,
) => Promise<Uint8Array>;

/** Over the sockets of this machine, each query from a port of its own. */
export function socketExchange(clock: Clock): DnsExchange {
  return (server, query, transport, timeoutMs) =>
    transport === 'udp'
      ? exchangeDatagram(clock, server, query, timeoutMs)
      : exchangeStream(clock, server, query, timeoutMs);
}

function exchangeDatagram(
  clock: Clock,
  server: SocketAddress,
  query: Uint8Array,
  timeoutMs: number,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    let open = true;
    const settle = (finish: () => void): void => {
      if (!open) return;
      open = false;
      timer.dispose();
      socket.close();
      finish();
    };
    const timer = clock.setTimer(timeoutMs, () => settle(() => reject(noAnswer(server))));
    socket.on('error', (error) => settle(() => reject(error)));
    socket.on('message', (reply) => {
      // Anybody can send to the port: only the answer to the question counts.
      if (answers(reply, query)) settle(() => resolve(reply));
    });
    // A connected socket hears of ICMP refusals, and of nobody but its peer.
    socket.connect(server.port, server.ip, () => socket.send(query));
  });
}

function exchangeStream(
  clock: Clock,
  server: SocketAddress,
  query: Uint8Array,
  timeoutMs: number,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: server.ip, port: server.port, noDelay: true });
    const frames = new DnsFrames();
    const timer = clock.setTimer(timeoutMs, () => socket.destroy(noAnswer(server)));
    socket.once('close', () => {
      timer.dispose();
      reject(noAnswer(server));
    });
    socket.once('error', reject);
    socket.once('connect', () => socket.write(frame(query)));
    socket.on('data', (chunk: Buffer) => {
      for (const reply of frames.push(chunk)) {
        if (!answers(reply, query)) continue;
        resolve(reply);
        socket.destroy();
      }
    });
  });
}

function answers(reply: Uint8Array, query: Uint8Array): boolean {
  try {
    return isResponse(reply) && idOf(reply) === idOf(query) && sameQuestion(reply, query);
  } catch {
    // Rubbish is nobody's answer.
    return false;
  }
}

function noAnswer(server: SocketAddress): Error {
  return new Error(`${server.ip}:${server.port} does not answer`);
}
