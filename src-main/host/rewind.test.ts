import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import type { RewindItem, RewindSpan } from '#contract/rewind';
import type { StreamEvent } from '#contract/watches';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { revision, type Operation } from '#etcd/client';
import { readChanges } from './rewind-changes.ts';
import { readMoment, readRange } from './rewind-moments.ts';
import { rewindState } from './rewind-state.ts';
import { rewindWrites } from './rewind-writes.ts';

const context = Context.background();
const startMs = 1_000_000;
let path: string;
let etcd: EmbeddedEtcd;

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'drydock-rewind-'));
  etcd = await EmbeddedEtcd.open({ path, clock: new SteppedClock(), logger: silentLogger, retention: 'none' });
});

afterEach(async () => {
  await etcd.close();
  rmSync(path, { recursive: true, force: true });
});

interface Written {
  readonly user?: string;
  readonly request?: string;
  readonly timeMs?: number;
}

async function write(operations: readonly Operation[], by?: Written): Promise<number> {
  const { user = 'jane', request = 'create pods default/web', timeMs = startMs } = by ?? {};
  const record = { user, userAgent: 'test', request, traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), timeMs };
  const kept = by ? { record: JSON.stringify(record) } : {};
  const { revision: at } = await etcd.txn(context, { compare: [], success: operations, failure: [], ...kept });
  return at;
}

const object = (name: string, uid: string, phase: string) => ({ metadata: { name, uid }, status: { phase } });
const put = (key: string, value: unknown): Operation => ({
  type: 'put',
  key,
  value: Buffer.from(JSON.stringify(value)),
});
const pod = (name: string, phase = 'Pending', uid = `uid-${name}`): Operation =>
  put(`/registry/pods/default/${name}`, object(name, uid, phase));
const remove = (name: string): Operation => ({ type: 'delete', key: `/registry/pods/default/${name}` });

async function all<T>(stream: AsyncIterable<StreamEvent<T>>): Promise<readonly T[]> {
  const found: T[] = [];
  for await (const event of stream) if (event.type === 'ADDED') found.push(event.object);
  return found;
}

async function podsAt(at: number): Promise<readonly string[]> {
  const items: readonly RewindItem[] = await all(rewindState(context, etcd, at));
  return items.flatMap((item) =>
    item.kind === 'object' && item.resource === 'pods'
      ? [`${item.object.metadata.name}=${(item.object as unknown as { status: { phase: string } }).status.phase}`]
      : [],
  );
}

describe('the state at a revision', () => {
  it('holds what was there then, whatever came after', async () => {
    const created = await write([pod('a')], {});
    await write([pod('b')], {});
    const running = await write([pod('a', 'Running')], {});
    await write([remove('b')], {});
    expect(await podsAt(created)).toEqual(['a=Pending']);
    expect(await podsAt(running)).toEqual(['a=Running', 'b=Pending']);
    expect(await podsAt(running + 1)).toEqual(['a=Running']);
  });

  it('begins with its moment, gives objects their resourceVersion, and leaves other kinds out', async () => {
    await write([put('/registry/secrets/default/s', object('s', 'u', ''))], {});
    await write([put('/registry/leases/kube-system/leader', object('leader', 'l', ''))], {});
    await write([put('/registry/services/specs/default/web', object('web', 'w', ''))], {});
    const at = await write([put('/registry/minions/worker-1', object('worker-1', 'n', ''))], { timeMs: 7 });
    const [first, ...rest] = await all(rewindState(context, etcd, at));
    expect(first).toMatchObject({ kind: 'moment', moment: { revision: at, timeMs: 7, exact: true } });
    expect(rest).toMatchObject([
      { resource: 'nodes', object: { metadata: { name: 'worker-1', resourceVersion: String(at) } } },
      { resource: 'services', object: { metadata: { name: 'web' } } },
    ]);
  });

  it('reads more than a page, and says Expired for what is compacted', async () => {
    for (let index = 0; index < 450; index += 50)
      await write(
        Array.from({ length: 50 }, (_one, more) => pod(`p-${String(index + more).padStart(3, '0')}`)),
        {},
      );
    const last = await write([pod('z')], {});
    expect(await podsAt(last)).toHaveLength(451);
    await etcd.compact(context, revision(last));
    await expect(podsAt(last - 1)).rejects.toMatchObject({ reason: 'Expired' });
    expect(await podsAt(last)).toHaveLength(451);
    expect(await readRange(context, etcd)).toMatchObject({ oldest: { revision: last }, newest: { revision: last } });
  });
});

describe('the changes between revisions', () => {
  it('come in order without gaps, and say who wrote them', async () => {
    const first = await write([pod('a')], { timeMs: 10 });
    await write([pod('a', 'Running')], { timeMs: 20, user: 'system:node:worker-1' });
    await write([put('/registry/secrets/default/s', {})], { timeMs: 30 });
    await write([remove('a')], { timeMs: 40 });
    const { base, steps } = await readChanges(context, etcd, { from: first, to: first + 3 });
    expect(base.revision).toBe(first - 1);
    expect(steps.map((step) => [step.revision - first, step.timeMs, step.record?.user])).toEqual([
      [0, 10, 'jane'],
      [1, 20, 'system:node:worker-1'],
      [2, 30, 'jane'],
      [3, 40, 'jane'],
    ]);
    expect(steps.map((step) => step.changes)).toMatchObject([
      [{ resource: 'pods', uid: 'uid-a', after: { status: { phase: 'Pending' } } }],
      [{ resource: 'pods', uid: 'uid-a', after: { status: { phase: 'Running' } } }],
      [],
      [{ resource: 'pods', uid: 'uid-a' }],
    ]);
    expect(steps[1]?.changes[0]).not.toHaveProperty('before');
    expect(steps[3]?.changes[0]).not.toHaveProperty('after');
  });

  it('can be undone when asked for what was before', async () => {
    const first = await write([pod('a'), pod('b')], {});
    await write([pod('a', 'Running'), remove('b')], {});
    await write([remove('a')], {});
    await write([pod('a', 'Pending', 'another-uid')], {});
    const { steps } = await readChanges(context, etcd, { from: first + 1, to: first + 3, before: true });
    const pods = new Map<string, unknown>();
    for (const step of [...steps].reverse())
      for (const { uid, before } of step.changes) {
        if (before) pods.set(uid, before);
        else pods.delete(uid);
      }
    expect([...pods]).toMatchObject([
      ['uid-a', { status: { phase: 'Pending' }, metadata: { resourceVersion: String(first) } }],
      ['uid-b', { status: { phase: 'Pending' }, metadata: { resourceVersion: String(first) } }],
    ]);
  });

  it('are cut off at 512 and at the newest, and refuse what is not there', async () => {
    const first = await write([pod('a')], {});
    await Promise.all(Array.from({ length: 600 }, (_one, index) => write([pod('a', String(index))], {})));
    const long = await readChanges(context, etcd, { from: first, to: first + 600 });
    expect(long.steps).toHaveLength(512);
    const end = await readChanges(context, etcd, { from: first + 600, to: first + 900 });
    expect(end).toMatchObject({ steps: [{ revision: first + 600 }], newestRevision: first + 600 });
    expect(await readChanges(context, etcd, { from: first + 601, to: first + 900 })).toMatchObject({ steps: [] });
    const beyond = readChanges(context, etcd, { from: first + 602, to: first + 900 });
    await expect(beyond).rejects.toMatchObject({ reason: 'BadRequest' });
    await etcd.compact(context, revision(first + 300));
    const gone = readChanges(context, etcd, { from: first + 300, to: first + 310 });
    await expect(gone).rejects.toMatchObject({ reason: 'Expired' });
    expect((await readChanges(context, etcd, { from: first + 301, to: first + 310 })).steps).toHaveLength(10);
  });
});

describe('the time of a revision', () => {
  it('is its own, else between its neighbours, and says which', async () => {
    const first = await write([pod('a')], { timeMs: 1000 });
    await write([pod('a', 'b')]);
    await write([pod('a', 'c')]);
    await write([pod('a', 'd')], { timeMs: 4000 });
    await write([pod('a', 'e')]);
    expect(await readMoment(context, etcd, first)).toMatchObject({ timeMs: 1000, exact: true });
    expect(await readMoment(context, etcd, first + 1)).toEqual({ revision: first + 1, timeMs: 2000, exact: false });
    expect(await readMoment(context, etcd, first + 4)).toMatchObject({ timeMs: 4000, exact: false });
    const { steps } = await readChanges(context, etcd, { from: first + 1, to: first + 4 });
    expect(steps.map((step) => step.timeMs)).toEqual([2000, 3000, 4000, 4000]);
  });

  it('is unknown where nobody tells any', async () => {
    const at = await write([pod('a')]);
    expect(await readMoment(context, etcd, at)).toEqual({ revision: at, exact: false });
    const { steps } = await readChanges(context, etcd, { from: at, to: at });
    expect(steps[0]).not.toHaveProperty('timeMs');
  });
});

describe('the writes of a span', () => {
  it('count what is more than the pulse, and mark what a person did', async () => {
    const first = await write([pod('a')], { request: 'create deployments default/web', timeMs: 1 });
    await write([pod('a', '1')], { user: 'system:node:w', request: 'update leases kube-node-lease/w', timeMs: 2 });
    await write([pod('a', '2')], { user: 'system:kube-scheduler', request: 'create events default/x', timeMs: 3 });
    await write([pod('a', '3')], {
      user: 'system:kube-scheduler',
      request: 'create pods/binding default/a',
      timeMs: 4,
    });
    await write([pod('a', '4')]);
    const counted = (spans: number): Promise<readonly RewindSpan[]> =>
      all(rewindWrites(context, etcd, { from: 1, to: 1_000_000, spans }));
    expect(await counted(1)).toMatchObject([{ last: first + 4, firstMs: 1, lastMs: 4, changes: 2 }]);
    expect((await counted(1))[0]?.marks.map((mark) => mark.revision)).toEqual([first]);
    const fine = await counted(1000);
    expect(fine.map((span) => span.last - span.first)).toEqual(fine.map(() => 0));
    expect(fine.reduce((sum, span) => sum + span.changes, 0)).toBe(2);
    await etcd.compact(context, revision(first + 2));
    expect((await counted(1))[0]).toMatchObject({ first: first + 2, changes: 1, marks: [] });
  });
});
