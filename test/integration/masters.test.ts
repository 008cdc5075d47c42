import { createServer } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CoreV1Event, Deployment, Lease, Pod } from '#api/gen/types';
import { deployments, events, leases } from '#client/resources';
import type { Master } from '#cluster/masters/master';
import { present } from '#base/errors';
import { adminTransport } from '../harness/api.ts';
import { readyOf, webDeployment } from '../harness/objects.ts';
import { SteppedLab } from '../harness/stepped-lab.ts';

const second = 1_000;

let at: SteppedLab;

beforeEach(async () => {
  at = await SteppedLab.start(2, 3);
});
afterEach(async () => {
  await at.close();
  expect(at.clock.pendingTimers).toBe(0);
});

function leaderOf(component: 'scheduler' | 'controllerManager'): Master | undefined {
  const leaders = at.lab.masters.list.filter((master) => master[component].isLeader);
  expect(leaders.length).toBeLessThanOrEqual(1);
  return leaders[0];
}

async function podsOf(name: string): Promise<readonly Pod[]> {
  return (await at.pods()).filter(({ metadata }) => metadata.labels?.['app'] === name);
}

function untilReady(name: string, count: number): Promise<number> {
  return at.until(
    `${count} pods of ${name} are Ready`,
    60 * second,
    async () => (await podsOf(name)).filter((pod) => readyOf(pod) === 'True').length === count,
  );
}

test('one master leads; when it dies another takes over as its leases run out, and it comes back as a candidate', async () => {
  const first = present(leaderOf('scheduler'), 'a scheduler leads');
  expect(leaderOf('controllerManager')).toBe(first);
  await at.client<Deployment>(deployments).create(at.context, webDeployment('before', 2));
  await untilReady('before', 2);

  at.lab.masters.kill(first.name);
  expect(first.state).toBe('killed');
  await at.client<Deployment>(deployments).create(at.context, webDeployment('after', 2));
  await at.pass(10 * second);
  // Nothing was released: the others wait for as long as the dead one's lease lasts.
  expect(leaderOf('scheduler')).toBeUndefined();
  expect(await podsOf('after')).toEqual([]);
  const tookMs = await at.until('another leads', 15 * second, async () => leaderOf('scheduler') !== undefined);
  expect(tookMs).toBeLessThanOrEqual(12 * second);
  await untilReady('after', 2);
  const next = present(leaderOf('scheduler'), 'a scheduler leads');
  expect(next).not.toBe(first);
  const { spec } = await at.client<Lease>(leases).get(at.context, 'kube-system', 'kube-scheduler');
  expect(spec).toMatchObject({ holderIdentity: next.name, leaseTransitions: 1 });
  const said = (await at.client<CoreV1Event>(events).list(at.context, { namespace: 'kube-system' })).items
    .filter(({ reason, involvedObject }) => reason === 'LeaderElection' && involvedObject.name === 'kube-scheduler')
    .map(({ message }) => message);
  expect(said).toEqual([`${first.name} became leader`, `${next.name} became leader`]);

  await at.drive(at.lab.masters.start(at.context, first.name));
  await at.pass(20 * second);
  expect(first.state).toBe('running');
  expect(leaderOf('scheduler')).toBe(next);
  const notes = (await at.lab.truths()).flatMap((one) =>
    one.kind === 'component' && one.component === 'kube-scheduler' ? [[one.machine, one.note]] : [],
  );
  expect(notes).toContainEqual([next.name, 'leader']);
  expect(notes).toContainEqual([first.name, 'candidate']);
});

test('the one address is answered by whoever lives; nodes stay Ready and pods run while masters come and go', async () => {
  const overHttps = adminTransport(at.lab.kubeconfigPath);
  const request = { method: 'GET', path: '/api/v1/namespaces/default/pods' } as const;
  await at.client<Deployment>(deployments).create(at.context, webDeployment('web', 4));
  await untilReady('web', 4);
  for (const { name } of at.lab.masters.list) {
    at.lab.masters.kill(name);
    for (let i = 0; i < 4; i++)
      expect(await at.drive(overHttps.request(at.context, request))).toMatchObject({ items: [{}, {}, {}, {}] });
    expect(await podsOf('web')).toHaveLength(4);
    await at.pass(20 * second);
    await at.drive(at.lab.masters.start(at.context, name));
  }
  await at.pass(60 * second);
  for (const name of ['worker-1', 'worker-2']) expect(readyOf(await at.node(name))).toBe('True');
  expect((await podsOf('web')).map(({ status }) => status?.containerStatuses?.[0]?.restartCount)).toEqual([0, 0, 0, 0]);
});

test('with every master dead nobody answers; the store lives on, and the first that starts finds everything', async () => {
  await at.client<Deployment>(deployments).create(at.context, webDeployment('web', 2));
  await untilReady('web', 2);
  for (const { name } of at.lab.masters.list) at.lab.masters.kill(name);
  await expect(at.pods()).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
  const overHttps = adminTransport(at.lab.kubeconfigPath);
  await expect(at.drive(overHttps.request(at.context, { method: 'GET', path: '/readyz' }))).rejects.toMatchObject({
    reason: 'ServiceUnavailable',
  });
  expect(at.lab.store.members.map(({ state }) => state)).toEqual(['running']);
  // Somebody else took its port meanwhile: it is reached through the one address anyway.
  const second = at.lab.masters.require('master-2');
  const [port, squatter] = [second.port, createServer()];
  await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve));
  await at.drive(at.lab.masters.start(at.context, 'master-2'));
  squatter.close();
  expect(second.port).not.toBe(port);
  expect(await podsOf('web')).toHaveLength(2);
  expect(await at.drive(overHttps.request(at.context, { method: 'GET', path: '/readyz' }))).toBe('ok');
  expect(() => at.lab.masters.kill('master-9')).toThrowError('there is no master master-9 in lab lab');
});
