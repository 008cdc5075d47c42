import { expect, test } from 'vitest';
import type { Lease } from '#api/gen/types';
import type { Context } from '#base/context';
import { LeaderElector } from './leader-election.ts';
import { leases } from './resources.ts';
import { controllerFixture } from './testing/fixtures.ts';

function candidates() {
  const fixture = controllerFixture();
  const log: string[] = [];
  const run = (identity: string) => {
    const elector = new LeaderElector({ ...fixture.parts, namespace: 'kube-system', name: 'kube-scheduler', identity });
    const { context, cancel } = fixture.context.withCancel();
    const lead = async (leading: Context): Promise<void> => {
      log.push(`+${identity}`);
      await new Promise<void>((resolve) => leading.onEnd(resolve));
      log.push(`-${identity}`);
    };
    const ended = elector.run(context, lead);
    return { elector, cancel, ended };
  };
  return { ...fixture, log, run };
}

test('one leads; the other takes over when the lease runs out', async () => {
  const { server, log, run } = candidates();
  const a = run('a');
  await server.settle();
  const b = run('b');
  await server.step(30_000);
  expect(log).toEqual(['+a']);
  expect(b.elector.leader).toBe('a');
  a.cancel();
  await a.ended;
  expect(log).toEqual(['+a', '-a']);
  await server.step(10_000);
  expect(b.elector.isLeader).toBe(false);
  await server.step(15_000);
  expect(log).toEqual(['+a', '-a', '+b']);
  expect(server.get<Lease>(leases, 'kube-system/kube-scheduler')?.spec).toMatchObject({
    holderIdentity: 'b',
    leaseTransitions: 1,
    leaseDurationSeconds: 15,
  });
});

test('a released lease is taken at the next try', async () => {
  const { server, log, run, context } = candidates();
  const a = run('a');
  await server.settle();
  run('b');
  await server.step(4000);
  a.cancel();
  await a.ended;
  await a.elector.release(context);
  await server.step(5000);
  expect(log).toEqual(['+a', '-a', '+b']);
});

test('a leader that cannot renew for ten seconds stops leading', async () => {
  const { server, log, run } = candidates();
  const a = run('a');
  await server.settle();
  server.available = false;
  await server.step(9000);
  expect(log).toEqual(['+a']);
  await server.step(5000);
  await a.ended;
  expect(log).toEqual(['+a', '-a']);
});
