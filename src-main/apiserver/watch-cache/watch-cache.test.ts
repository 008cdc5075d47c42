import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { KubeObject, WatchEvent } from '#api/machinery/object';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { encodeStored, WriteMemory } from '../storage/object-codec.ts';
import type { Predicate } from './cache-event.ts';
import { WatchCache, type WatchCacheOptions, type WatchOptions } from './watch-cache.ts';

const context = Context.background();
const resource = {
  ...{ group: '', resource: 'things', kind: 'Thing', apiVersion: 'v1' },
  ...{ namespaced: true, keyPrefix: '/registry/things/' },
};
const watchAll: WatchOptions = {
  ...{ namespace: '', initialEvents: true, markInitialEventsEnd: false, bookmarks: false, timeoutMs: 3_600_000 },
};
const on: Predicate = ({ metadata }) => metadata.labels?.['on'] === 'yes';

let path: string;
let clock: SteppedClock;
let etcd: EmbeddedEtcd;
const caches: WatchCache[] = [];

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'drydock-cache-'));
  clock = new SteppedClock();
  etcd = await EmbeddedEtcd.open({ path, clock, logger: silentLogger, retention: 'none' });
});
afterEach(async () => {
  for (const cache of caches.splice(0)) cache.stop();
  await etcd.close();
  rmSync(path, { recursive: true, force: true });
});

async function startCache(options: Partial<WatchCacheOptions> = {}): Promise<WatchCache> {
  const cache = new WatchCache({ resource, etcd, memory: new WriteMemory(), clock, logger: silentLogger, ...options });
  caches.push(cache);
  await cache.start(context);
  return cache;
}

async function put(name: string, label = 'yes', namespace = 'ns'): Promise<number> {
  const object: KubeObject = { apiVersion: 'v1', kind: 'Thing', metadata: { name, namespace, labels: { on: label } } };
  const key = `${resource.keyPrefix}${namespace}/${name}`;
  const success = [{ type: 'put', key, value: encodeStored(object) } as const];
  return (await etcd.txn(context, { compare: [], success, failure: [] })).revision;
}

async function remove(name: string): Promise<void> {
  const success = [{ type: 'delete', key: `${resource.keyPrefix}ns/${name}` } as const];
  await etcd.txn(context, { compare: [], success, failure: [] });
}

async function take(frames: AsyncIterable<WatchEvent>, count: number): Promise<WatchEvent[]> {
  const taken: WatchEvent[] = [];
  if (count === 0) return taken;
  for await (const frame of frames) {
    taken.push(frame);
    if (taken.length === count) break;
  }
  return taken;
}
const brief = ({ type, object }: WatchEvent): string => `${type} ${object.metadata.name ?? ''}`;

test('a consistent snapshot holds everything committed before it was asked for', async () => {
  const cache = await startCache();
  for (const name of ['b', 'a', 'c']) await put(name);
  const { objects, revision } = await cache.consistentSnapshot(context, 'ns');
  expect(objects.map(({ metadata }) => metadata.name)).toEqual(['a', 'b', 'c']);
  expect(String(revision)).toBe(objects[2]?.metadata.resourceVersion);
});

test('a watch from before the window is told to list again', async () => {
  const cache = await startCache({ windowSize: 2 });
  const first = await put('a');
  for (const name of ['b', 'c', 'd']) await put(name);
  await cache.catchUp(context);
  const old = cache.watch(context, { ...watchAll, initialEvents: false, afterRevision: first });
  const [frame] = await take(old, 2);
  expect(frame).toMatchObject({ type: 'ERROR', object: { code: 410, reason: 'Expired' } });
  expect(frame?.object).toMatchObject({ message: `too old resource version: ${first} (${first + 1})` });
  const young = cache.watch(context, { ...watchAll, initialEvents: false, afterRevision: first + 1 });
  expect((await take(young, 2)).map(brief)).toEqual(['ADDED c', 'ADDED d']);
});

test('a reader that falls behind is dropped and holds up nobody', async () => {
  const cache = await startCache({ bufferLimit: 3 });
  const slow = cache.watch(context, watchAll);
  const fast = take(cache.watch(context, watchAll), 6);
  for (let i = 0; i < 6; i++) {
    await put(`t${i}`);
    await cache.catchUp(context);
  }
  expect(await fast).toHaveLength(6);
  expect(await take(slow, 6)).toHaveLength(3);
  expect(cache.watchers).toBe(0);
});

test('a reader that comes from a server that is further hears of nothing twice', async () => {
  const cache = await startCache();
  const before = await put('a');
  const watch = cache.watch(context, { ...watchAll, initialEvents: false, afterRevision: before + 2, bookmarks: true });
  for (const name of ['b', 'c', 'd']) await put(name);
  expect((await take(watch, 1)).map(brief)).toEqual(['ADDED d']);
});

test('bookmarks come every minute to those who want them', async () => {
  const cache = await startCache();
  const frames = cache.watch(context, { ...watchAll, bookmarks: true });
  const without = cache.watch(context, { ...watchAll, timeoutMs: 90_000 });
  await put('other', 'yes', 'elsewhere');
  await cache.catchUp(context);
  const at = cache.revision;
  await clock.step(60_000);
  const [, mark] = await take(frames, 2);
  expect(mark).toEqual({
    type: 'BOOKMARK',
    object: { kind: 'Thing', apiVersion: 'v1', metadata: { resourceVersion: String(at) } },
  });
  await clock.step(60_000);
  expect((await take(without, 9)).map(brief)).toEqual(['ADDED other']);
});

test('waiting for a revision the store does not have ends after three seconds', async () => {
  const cache = await startCache();
  const waiting = expect(cache.waitFor(context, 1000)).rejects.toMatchObject({
    reason: 'Timeout',
    message: `Too large resource version: 1000, current: ${cache.revision}`,
  });
  await clock.step(3_000);
  await waiting;
});

/** What a client that applies frames to its own copy ends up with. */
function replay(frames: readonly WatchEvent[]): Map<string, string> {
  const state = new Map<string, string>();
  for (const { type, object } of frames) {
    const { name = '', resourceVersion = '' } = object.metadata;
    expect(state.has(name)).toBe(type !== 'ADDED');
    if (type === 'DELETED') state.delete(name);
    else state.set(name, resourceVersion);
  }
  return state;
}

const operation = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  action: fc.constantFrom('put-on', 'put-off', 'delete', 'watch'),
});

test('whatever happens, a filtered watch adds up to the filtered list', async () => {
  const cache = await startCache();
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
      const life = context.withCancel();
      const collected: WatchEvent[][] = [];
      const reading: Promise<void>[] = [];
      for (const { name, action } of [{ name: 'a', action: 'watch' }, ...operations]) {
        if (action === 'put-on') await put(name, 'yes');
        else if (action === 'put-off') await put(name, 'no');
        else if (action === 'delete') await remove(name);
        else {
          const frames: WatchEvent[] = [];
          collected.push(frames);
          const source = cache.watch(life.context, { ...watchAll, namespace: 'ns', matches: on });
          reading.push(take(source, Infinity).then((all) => void frames.push(...all)));
        }
      }
      const { objects } = await cache.consistentSnapshot(context, 'ns');
      const wanted = new Map(objects.filter(on).map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
      life.cancel();
      await Promise.all(reading);
      for (const frames of collected) expect(replay(frames)).toEqual(wanted);
    }),
    { numRuns: 60 },
  );
});
