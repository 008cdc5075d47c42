import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KubeObject } from '#api/machinery/object';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { deepFreeze } from '#base/freeze';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { revision } from '#etcd/client';
import { decodeContinue, encodeContinue } from './continue-token.ts';
import { WriteMemory } from './object-codec.ts';
import { ObjectLeases } from './object-leases.ts';
import { ObjectLister } from './object-list.ts';
import { ObjectStore } from './object-store.ts';
import { WriteRecorder } from './write-recorder.ts';

interface Counter extends KubeObject {
  readonly count: number;
}

const context = Context.background();
const resource = { group: '', resource: 'counters', namespaced: true, keyPrefix: '/registry/counters/' };
const origin = { user: 'ann', userAgent: 'test/1', request: 'test', cause: undefined };
const options = { origin, dryRun: false };
const nothing = { recall: () => undefined };

let path: string;
let etcd: EmbeddedEtcd;
let store: ObjectStore;
let clock: SteppedClock;

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'drydock-storage-'));
  clock = new SteppedClock();
  etcd = await EmbeddedEtcd.open({ path, clock, logger: silentLogger, retention: 'none' });
  const recorder = new WriteRecorder(etcd, clock, new SeededRandom(1));
  const leases = new ObjectLeases(etcd, clock);
  store = new ObjectStore({ etcd, recorder, memory: new WriteMemory(), decoded: nothing, leases });
});
afterEach(async () => {
  await etcd.close();
  rmSync(path, { recursive: true, force: true });
});

const counter = (name: string, count = 0): Counter =>
  deepFreeze({ apiVersion: 'v1', kind: 'Counter', metadata: { name, namespace: 'ns', uid: `uid-${name}` }, count });
const increment = (current: KubeObject) => ({
  next: deepFreeze({ ...current, count: (current as Counter).count + 1 }),
});
const read = async (name: string) => (await store.get(context, resource, 'ns', name)) as Counter;

test('every concurrent change lands, whoever was faster', async () => {
  await store.create(context, resource, counter('a'), options);
  const changes = Array.from({ length: 20 }, () => store.update(context, resource, 'ns', 'a', options, increment));
  await Promise.all(changes);
  expect((await read('a')).count).toBe(20);
});

test('a stale suggestion costs a retry, never a lost update', async () => {
  const stale = await store.create(context, resource, counter('a'), options);
  await store.update(context, resource, 'ns', 'a', options, increment);
  await store.update(context, resource, 'ns', 'a', { ...options, suggestion: stale }, increment);
  expect((await read('a')).count).toBe(2);
  const refuse = (current: KubeObject) => {
    if ((current as Counter).count < 2) throw new Error('too low');
    return increment(current);
  };
  await store.update(context, resource, 'ns', 'a', { ...options, suggestion: stale }, refuse);
  expect((await read('a')).count).toBe(3);
});

test('what is stored carries no resourceVersion; what is read carries that of its write', async () => {
  const made = await store.create(context, resource, counter('a'), options);
  const { kvs } = await etcd.range(context, { key: '/registry/counters/ns/a' });
  const [kv] = kvs;
  expect(JSON.parse(Buffer.from(kv?.value ?? []).toString())).toEqual(counter('a'));
  expect(made.metadata.resourceVersion).toBe(String(kv?.modRevision));
});

test('an object can be removed by a change, once', async () => {
  await store.create(context, resource, counter('a'), options);
  const gone = await store.update(context, resource, 'ns', 'a', options, () => ({ remove: true }));
  expect(gone.removed).toBe(true);
  await expect(read('a')).rejects.toMatchObject({ reason: 'NotFound', message: 'counters "a" not found' });
});

test('objects with a time to live go by themselves, an hour after their last write', async () => {
  const shortLived = { ...resource, ttlSeconds: 3600 };
  await store.create(context, shortLived, counter('a'), options);
  await store.create(context, shortLived, counter('b'), options);
  expect(await etcd.leases(context)).toHaveLength(1);
  await clock.step(1_800_000);
  await store.update(context, shortLived, 'ns', 'b', options, increment);
  await clock.step(1_900_000);
  // The deletion is seen once it is on disk.
  const outcome = (): Promise<unknown> => read('a').catch((error: unknown) => error);
  await expect.poll(outcome).toMatchObject({ reason: 'NotFound' });
  expect((await read('b')).count).toBe(1);
});

test('a page of a compacted revision is Expired', async () => {
  for (const name of ['a', 'b', 'c']) await store.create(context, resource, counter(name), options);
  const lister = new ObjectLister(etcd, nothing);
  const request = { namespace: 'ns', limit: 1 };
  const first = await lister.list(context, resource, request);
  expect(first).toMatchObject({ remainingItemCount: 2, items: [{ metadata: { name: 'a' } }] });
  await store.update(context, resource, 'ns', 'a', options, increment);
  await etcd.compact(context, revision(first.revision + 1));
  await expect(
    lister.list(context, resource, { ...request, continueToken: first.continueToken }),
  ).rejects.toMatchObject({ reason: 'Expired', code: 410 });
});

test('a filtered page is filled from as many reads as it takes', async () => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) await store.create(context, resource, counter(name), options);
  const lister = new ObjectLister(etcd, nothing);
  const matches = ({ metadata }: KubeObject) => ['b', 'd', 'e'].includes(metadata.name ?? '');
  const first = await lister.list(context, resource, { namespace: 'ns', limit: 2, matches });
  expect(first.items.map(({ metadata }) => metadata.name)).toEqual(['b', 'd']);
  expect(first.remainingItemCount).toBeUndefined();
  const { continueToken } = first;
  const rest = await lister.list(context, resource, { namespace: 'ns', limit: 2, matches, continueToken });
  expect(rest.items.map(({ metadata }) => metadata.name)).toEqual(['e']);
  expect(rest.continueToken).toBeUndefined();
});

test('continue tokens survive the trip and broken ones are told so', () => {
  const token = { revision: 7, startKey: '/registry/counters/ns/a\0' };
  expect(decodeContinue(encodeContinue(token, '/registry/counters/'), '/registry/counters/')).toEqual(token);
  expect(() => decodeContinue('nonsense', '/registry/counters/')).toThrowError(/continue key is not valid/);
});
