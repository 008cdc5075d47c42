import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Pod } from '#api/gen/types';
import type { WriteRecord } from '#base/cause';
import { prefixEnd, revision } from '#etcd/client';
import { adminTransport } from '../harness/api.ts';
import { webDeployment } from '../harness/objects.ts';
import { SteppedLab } from '../harness/stepped-lab.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';

let at: SteppedLab;
beforeAll(async () => {
  at = await SteppedLab.start(1);
});
afterAll(() => at.close());

/** What was written at a revision, and because of what. */
async function recordAt(number: number): Promise<WriteRecord> {
  const [row] = await at.lab.etcd.records(at.context, revision(number), revision(number));
  if (!row) throw new Error(`nothing is recorded at revision ${number}`);
  return JSON.parse(row.record) as WriteRecord;
}

/** The revisions that wrote an object, oldest first. */
async function historyOf(key: string): Promise<number[]> {
  const { kvs } = await at.lab.etcd.range(at.context, { key });
  const [kv] = kvs;
  const first = kv?.createRevision ?? 0;
  const found: number[] = [];
  for (const { revision: number } of await at.lab.etcd.records(
    at.context,
    revision(first),
    revision(kv?.modRevision ?? 0),
  )) {
    const { kvs: then } = await at.lab.etcd.range(at.context, { key, revision: number });
    if (then[0]?.modRevision === number) found.push(number);
  }
  return found;
}

/** Walks back from a write to where its chain begins. */
async function chainFrom(number: number): Promise<WriteRecord[]> {
  const chain = [await recordAt(number)];
  for (let cause = chain[0]?.causedBy; cause !== undefined; cause = chain[chain.length - 1]?.causedBy) {
    expect(Number(cause)).toBeLessThan(number);
    chain.push(await recordAt(Number(cause)));
  }
  return chain;
}

/** `kubectl apply` -> ReplicaSet -> Pod -> binding -> status: each knows the one before, and all share one trace. */
test('a binding and a running pod are walked back to the request of a person', async () => {
  const transport = adminTransport(at.lab.kubeconfigPath);
  const creating = transport.request(at.context.withCause({ traceId, spanId }), {
    method: 'POST',
    path: '/apis/apps/v1/namespaces/default/deployments',
    body: webDeployment('web', 1),
  });
  const created = (await at.drive(creating)) as { metadata: { resourceVersion: string } };
  await at.until('the pod runs', 30_000, async () =>
    (await at.pods()).some(({ status }) => status?.phase === 'Running'),
  );

  const [pod] = (
    await at.lab.etcd.range(at.context, {
      key: '/registry/pods/default/',
      rangeEnd: prefixEnd('/registry/pods/default/'),
    })
  ).kvs;
  const history = await historyOf(pod?.key ?? '');
  const records = await Promise.all(history.map(recordAt));
  const bound = records.findIndex(({ request }) => request.includes('pods/binding'));
  const chain = await chainFrom(history[bound] ?? 0);
  const name = (JSON.parse(new TextDecoder().decode(pod?.value)) as Pod).metadata.name ?? '';
  expect(chain.map(({ user, request }) => `${user}: ${request}`)).toEqual([
    `system:kube-scheduler: create pods/binding default/${name}`,
    `system:serviceaccount:kube-system:replicaset-controller: create pods default/${name}`,
    `system:serviceaccount:kube-system:deployment-controller: create replicasets default/${name.replace(/-[^-]+$/, '')}`,
    'kubernetes-admin: create deployments default/web',
  ]);
  expect(new Set(chain.map((record) => record.traceId))).toEqual(new Set([traceId]));
  expect(new Set(chain.map((record) => record.spanId)).size).toBe(chain.length);
  expect(await recordAt(Number(created.metadata.resourceVersion))).toEqual(chain[chain.length - 1]);

  const [last] = await chainFrom(history[history.length - 1] ?? 0);
  expect(last).toMatchObject({ user: 'system:node:worker-1', request: `update pods/status default/${name}`, traceId });
  expect(await chainFrom(history[history.length - 1] ?? 0)).toEqual(expect.arrayContaining(chain));
});
