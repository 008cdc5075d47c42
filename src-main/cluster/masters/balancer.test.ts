import { connect, type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { StatusError } from '#api/machinery/status';
import type { ApiHandler } from '#apiserver/request';
import { SteppedClock } from '#base/clock';
import { Balancer, type Backend } from './balancer.ts';
import { ReadinessProbes, type Probed } from './readiness-probes.ts';

/** Says its name to whoever comes, and keeps the connection. */
class Greeter implements Backend {
  readonly name: string;
  readonly sockets = new Set<Socket>();

  constructor(name: string) {
    this.name = name;
  }

  accept(socket: Socket): void {
    this.sockets.add(socket);
    socket.write(this.name);
  }
}

const opened: Socket[] = [];
const balancers: Balancer[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.destroy();
  for (const balancer of balancers.splice(0)) balancer.close();
});

async function listening(living: () => readonly Backend[]): Promise<{ balancer: Balancer; port: number }> {
  const probe = createServer();
  const port = await new Promise<number>((resolve) => {
    probe.listen(0, '127.0.0.1', () => resolve((probe.address() as AddressInfo).port));
  });
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  const balancer = new Balancer(living);
  balancers.push(balancer);
  await balancer.listen('127.0.0.1', port);
  return { balancer, port };
}

/** Who answers at the port; the error's code when nobody does. */
function whoAnswers(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    opened.push(socket);
    socket.once('data', (chunk) => resolve(String(chunk)));
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
  });
}

test('each connection goes to the living server that has the fewest', async () => {
  const all = ['a', 'b', 'c'].map((name) => new Greeter(name));
  let living: readonly Greeter[] = all;
  const { balancer, port } = await listening(() => living);
  const first: string[] = [];
  for (let i = 0; i < 6; i++) first.push(await whoAnswers(port));
  expect(first.sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);

  living = all.slice(1);
  const without: string[] = [];
  for (let i = 0; i < 4; i++) without.push(await whoAnswers(port));
  expect(without.sort()).toEqual(['b', 'b', 'c', 'c']);

  // One that comes back has lost its connections: it gets the next ones.
  for (const socket of all[0]?.sockets ?? []) socket.destroy();
  await expect.poll(() => balancer.connections.get('a')).toBe(0);
  living = all;
  expect([await whoAnswers(port), await whoAnswers(port), await whoAnswers(port)]).toEqual(['a', 'a', 'a']);
});

test('with nobody alive a connection is reset, and refused once the balancer is closed', async () => {
  const { balancer, port } = await listening(() => []);
  expect(await whoAnswers(port)).toBe('ECONNRESET');
  balancer.close();
  expect(await whoAnswers(port)).toBe('ECONNREFUSED');
});

test('a server that cannot say that it is ready within a second is not ready, until it can', async () => {
  const clock = new SteppedClock();
  let answer: 'ok' | 'error' | 'silence' = 'ok';
  const handler: ApiHandler = {
    handle: async () => {
      if (answer === 'error') throw new StatusError('InternalError', 'etcd failed');
      if (answer === 'silence') await new Promise(() => {});
      return { kind: 'text', status: 200, contentType: 'text/plain', text: 'ok' };
    },
  };
  const server: Probed = { serves: true, apiServer: { handler } };
  const probes = new ReadinessProbes([server], clock);
  probes.start();
  await clock.step(1_500);
  expect(probes.isReady(server)).toBe(true);
  for (const trouble of ['silence', 'error'] as const) {
    answer = trouble;
    await clock.step(2_000);
    expect(probes.isReady(server)).toBe(false);
    answer = 'ok';
    await clock.step(2_000);
    expect(probes.isReady(server)).toBe(true);
  }
  probes.stop();
  expect(clock.pendingTimers).toBe(0);
});
