import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { ApiRelay } from './api-relay.ts';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

/** Answers everything it got, after `name:`, when its client has ended. */
async function upstream(name: string, port = 0): Promise<{ server: Server; port: number; stop: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => socket.end(Buffer.concat([Buffer.from(`${name}:`), ...chunks])));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  open.push({ close: () => void stop() });
  return { server, port: (server.address() as AddressInfo).port, stop };
}

async function relayTo(...ports: number[]): Promise<ApiRelay> {
  const relay = new ApiRelay({
    listen: { ip: '127.0.0.1', port: 0 },
    upstreams: ports.map((port) => ({ ip: '127.0.0.1', port })),
    clock: new SteppedClock(),
    logger: silentLogger,
  });
  await relay.start();
  open.push({ close: () => relay.stop() });
  return relay;
}

function ask(port: number, body: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    socket.on('error', reject);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks).toString()));
    socket.end(body);
  });
}

describe('ApiRelay', () => {
  it('breaks connections from an address that the machine has no more', async () => {
    const { port } = await upstream('one');
    const clock = new SteppedClock();
    const own = new Set(['127.0.0.1']);
    const relay = new ApiRelay({
      listen: { ip: '127.0.0.1', port: 0 },
      upstreams: [{ ip: '127.0.0.1', port }],
      ...{ clock, logger: silentLogger, addresses: () => own },
    });
    await relay.start();
    open.push({ close: () => relay.stop() });
    expect(await ask(relay.port, 'before')).toBe('one:before');
    const client = connect({ host: '127.0.0.1', port: relay.port });
    const broken = new Promise<Error>((resolve) => client.once('error', resolve));
    client.write('held');
    await new Promise((resolve) => client.once('connect', resolve));
    const check = async (): Promise<void> => {
      own.clear();
      await clock.step(1_000);
    };
    const held = setInterval(() => void check(), 20);
    expect(await broken).toMatchObject({ code: 'ECONNRESET' });
    clearInterval(held);
  });

  it('passes bytes both ways, and the half-close of the client before the answer', async () => {
    const { port } = await upstream('one');
    const relay = await relayTo(port);
    expect(await ask(relay.port, 'hello')).toBe('one:hello');
    const large = Buffer.alloc(20 * 1024 * 1024, 'x');
    expect((await ask(relay.port, large)).length).toBe(large.length + 4);
  });

  it('goes on to the next upstream, and starts with it from then on', async () => {
    const gone = await upstream('gone');
    await gone.stop();
    const second = await upstream('second');
    const relay = await relayTo(gone.port, second.port);
    expect(await ask(relay.port, 'a')).toBe('second:a');
    await upstream('back', gone.port);
    expect(await ask(relay.port, 'b')).toBe('second:b');
    await second.stop();
    expect(await ask(relay.port, 'c')).toBe('back:c');
  });

  it('resets a client when no upstream accepts', async () => {
    const gone = await upstream('gone');
    await gone.stop();
    const relay = await relayTo(gone.port);
    await expect(ask(relay.port, 'a')).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('breaks its connections when it stops, and a new one serves at the same address', async () => {
    const { port } = await upstream('one');
    const first = await relayTo(port);
    const client = connect({ host: '127.0.0.1', port: first.port });
    await new Promise((resolve) => client.once('connect', resolve));
    const closed = new Promise((resolve) => client.once('close', resolve));
    client.on('error', () => client.destroy());
    first.stop();
    await closed;
    const second = new ApiRelay({
      listen: { ip: '127.0.0.1', port: first.port },
      upstreams: [{ ip: '127.0.0.1', port }],
      clock: new SteppedClock(),
      logger: silentLogger,
    });
    await second.start();
    open.push({ close: () => second.stop() });
    expect(await ask(second.port, 'again')).toBe('one:again');
  });
});
