import { Context } from '#base/context';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Deployment, Pod } from '#api/gen/types';
import { deployments } from '#client/resources';
import { readyOf, taintsOf, webDeployment } from '../harness/objects.ts';
import { SteppedLab } from '../harness/stepped-lab.ts';

const second = 1_000;
const unreachable = 'node.kubernetes.io/unreachable';

let at: SteppedLab;
beforeAll(async () => {
  at = await SteppedLab.start(3);
});
afterAll(() => at.close());

function isReadyElsewhere(pod: Pod): boolean {
  return readyOf(pod) === 'True' && pod.spec.nodeName !== 'worker-2' && !pod.metadata.deletionTimestamp;
}

/** The default timings of Kubernetes 1.36: 50 s until a silent node is Unknown, 300 s until its pods are evicted. */
test('a node that dies is found out, its pods are replaced elsewhere, and it comes back clean', async () => {
  await at.client<Deployment>(deployments).create(at.context, webDeployment('web', 6));
  await at.until(
    '6 pods are Ready',
    30 * second,
    async () => (await at.pods()).filter((pod) => readyOf(pod) === 'True').length === 6,
  );
  const doomed = (await at.pods())
    .filter((pod) => pod.spec.nodeName === 'worker-2')
    .map(({ metadata }) => metadata.uid);
  expect(doomed).toHaveLength(2);

  await at.lab.killWorker(Context.background(), 'worker-2');
  await at.pass(39 * second);
  expect(readyOf(await at.node('worker-2'))).toBe('True');
  const silentMs =
    39 * second +
    (await at.until('worker-2 is Unknown', 30 * second, async () => readyOf(await at.node('worker-2')) === 'Unknown'));
  expect(silentMs).toBeGreaterThan(40 * second);
  expect(silentMs).toBeLessThanOrEqual(60 * second);
  await at.until('worker-2 is tainted', 10 * second, async () => taintsOf(await at.node('worker-2')).length === 2);
  expect(taintsOf(await at.node('worker-2'))).toEqual([`${unreachable}:NoExecute`, `${unreachable}:NoSchedule`]);

  const onDead = async (): Promise<readonly Pod[]> =>
    (await at.pods()).filter((pod) => pod.spec.nodeName === 'worker-2');
  await at.pass(290 * second);
  expect((await onDead()).map(({ metadata }) => metadata.deletionTimestamp)).toEqual([undefined, undefined]);
  expect((await onDead()).map(readyOf)).toEqual(['False', 'False']);
  await at.until(
    '6 pods are Ready on living nodes',
    30 * second,
    async () => (await at.pods()).filter(isReadyElsewhere).length === 6,
  );
  // Nobody can say that they ended: they stay, terminating, until their node comes back.
  expect((await onDead()).map(({ metadata }) => metadata.uid).sort()).toEqual([...doomed].sort());
  expect((await onDead()).every(({ metadata }) => metadata.deletionTimestamp)).toBe(true);

  await at.drive(at.lab.startWorker(at.context, 'worker-2'));
  const node = await at.node('worker-2');
  expect([readyOf(node), taintsOf(node)]).toEqual(['True', []]);
  await at.until('the old pods are gone', 60 * second, async () => (await onDead()).length === 0);
  expect((await at.pods()).filter(isReadyElsewhere)).toHaveLength(6);
  expect(at.warnings).toEqual([]);
});
