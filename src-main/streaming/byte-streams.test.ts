import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { byteStreamOf, relay } from './byte-streams.ts';

/** client <-> middle, relayed, outer <-> server: as a host port leads into a lab. */
let client: Socket;
let server: Socket;
let relayed: Promise<void>;
const servers: Server[] = [];

async function pair(): Promise<readonly [Socket, Socket]> {
  const listener = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  servers.push(listener);
  await once(listener, 'listening');
  const accepted = once(listener, 'connection');
  const dialled = connect({ host: '127.0.0.1', port: (listener.address() as AddressInfo).port, allowHalfOpen: true });
  const [other] = (await accepted) as [Socket];
  return [dialled, other];
}

beforeEach(async () => {
  const [near, middle] = await pair();
  const [outer, far] = await pair();
  [client, server] = [near, far];
  for (const socket of [client, server]) socket.on('error', () => undefined);
  relayed = relay(byteStreamOf(middle), byteStreamOf(outer));
});
afterEach(() => {
  for (const socket of [client, server]) socket.destroy();
  for (const listener of servers.splice(0)) listener.close();
});

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await once(socket, 'end');
  return text;
}

test('an answer arrives after the question was closed for writing', async () => {
  const question = textOf(server);
  const answer = textOf(client);
  client.end('question');
  expect(await question).toBe('question');
  server.end('answer '.repeat(50_000));
  expect(await answer).toBe('answer '.repeat(50_000));
  await relayed;
});

test('a connection that breaks breaks the other one', async () => {
  const failed = expect(relayed).rejects.toThrow();
  const ended = once(server.resume(), 'end');
  client.resetAndDestroy();
  await ended;
  await failed;
});
