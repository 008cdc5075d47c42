import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { SinkLogger } from '#base/logger';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { EtcdError, leaseText, revision, type EtcdClient } from '#etcd/client';
import type { EtcdMaintenance } from '#etcd/maintenance';
import type { SearchItem, StoreLevel } from '#contract/store';
import { readHistory } from './store-history.ts';
import { readLevel } from './store-level.ts';
import { searchStore } from './store-search.ts';
import { compactStore, defragmentStore, readLeases, readStatus, readWatchers } from './store-status.ts';
import { readKey } from './store-view.ts';

const context = Context.background();
const clock = new RealClock();
let folder: string;
let etcd: EmbeddedEtcd;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-store-window-'));
  etcd = await EmbeddedEtcd.open({ path: join(folder, 'etcd'), clock, logger: new SinkLogger(clock, () => {}) });
});
afterEach(async () => {
  await etcd.close();
  rmSync(folder, { recursive: true, force: true });
});

const record = (request: string): string =>
  JSON.stringify({ user: 'ann', userAgent: 'test/1', request, traceId: 'a', spanId: 'b', timeMs: 5 });

async function put(key: string, value: unknown): Promise<number> {
  const bytes = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  const operation = { type: 'put', key, value: bytes } as const;
  return (await etcd.txn(context, { compare: [], success: [operation], failure: [], record: record(`put ${key}`) }))
    .revision;
}

async function remove(key: string, rangeEnd?: string): Promise<number> {
  const operation = { type: 'delete', key, ...(rangeEnd === undefined ? {} : { rangeEnd }) } as const;
  return (await etcd.txn(context, { compare: [], success: [operation], failure: [], record: record(`delete ${key}`) }))
    .revision;
}

function shown(level: StoreLevel): string[] {
  return level.entries.map((entry) => ('keys' in entry ? `${entry.prefix} ${entry.keys}` : entry.key));
}

describe('readLevel', () => {
  /** Asks no more of a store than its interface, and counts the keys that it hands over. */
  function counting(): { readonly client: EtcdClient; handed: number } {
    const counter = { handed: 0, client: undefined as unknown as EtcdClient };
    counter.client = new Proxy<EtcdClient>(etcd, {
      get: (target, name) =>
        name === 'range'
          ? async (...args: Parameters<EtcdClient['range']>) => {
              const answer = await target.range(...args);
              counter.handed += answer.kvs.length;
              return answer;
            }
          : Reflect.get(target, name),
    });
    return counter;
  }

  it('groups by prefix, counts branches, and jumps over what is in them', async () => {
    await Promise.all(Array.from({ length: 3000 }, (_one, at) => put(`/registry/pods/ns-${at % 3}/pod-${at}`, { at })));
    await put('/registry/services/specs/default/web', {});
    await put('/registry/pods-of-old', {});
    await put('compact_rev_key', '1');
    const counter = counting();
    expect(shown(await readLevel(context, counter.client, { prefix: '', limit: 100 }))).toEqual([
      '/registry/ 3002',
      'compact_rev_key',
    ]);
    expect(shown(await readLevel(context, counter.client, { prefix: '/registry/', limit: 100 }))).toEqual([
      '/registry/pods-of-old',
      '/registry/pods/ 3000',
      '/registry/services/ 1',
    ]);
    expect(shown(await readLevel(context, counter.client, { prefix: '/registry/pods/', limit: 100 }))).toEqual([
      '/registry/pods/ns-0/ 1000',
      '/registry/pods/ns-1/ 1000',
      '/registry/pods/ns-2/ 1000',
    ]);
    expect(counter.handed).toBeLessThan(1000);
  });

  it('reads a long level in pages, at a revision', async () => {
    const keys = Array.from({ length: 1500 }, (_one, at) => `/a/key-${String(at).padStart(4, '0')}`);
    await Promise.all(keys.map((key) => put(key, {})));
    const { revision: before } = await etcd.status(context);
    await remove('/a/key-0003');
    const found: string[] = [];
    for (let from: string | undefined = ''; from !== undefined;) {
      const page = await readLevel(context, etcd, {
        prefix: '/a/',
        limit: 200,
        revision: before,
        ...(from && { from }),
      });
      expect(page.entries.length).toBeLessThan(1500);
      found.push(...shown(page));
      from = page.next;
    }
    expect(found).toEqual(keys);
  });
});

describe('readHistory', () => {
  it('walks the kept revisions of a key, newest first, with who wrote them', async () => {
    const revisions: number[] = [];
    for (let version = 1; version <= 5; version++) {
      revisions.unshift(await put('/k', { version }));
      await put('/other', { version });
    }
    const all = await readHistory(context, etcd, { key: '/k', limit: 10 });
    expect(all.revisions.map((one) => one.modRevision)).toEqual(revisions);
    expect(all.revisions.map((one) => one.version)).toEqual([5, 4, 3, 2, 1]);
    expect(all.revisions[0]?.record).toMatchObject({ user: 'ann', request: 'put /k' });
    const page = await readHistory(context, etcd, { key: '/k', limit: 2 });
    expect([page.more, page.revisions.length]).toEqual([true, 2]);
    const rest = await readHistory(context, etcd, {
      key: '/k',
      limit: 10,
      before: page.revisions[1]?.modRevision ?? 0,
    });
    expect([rest.more, ...rest.revisions.map((one) => one.version)]).toEqual([false, 3, 2, 1]);
    await etcd.compact(context, revision(revisions[1] ?? 0));
    const kept = await readHistory(context, etcd, { key: '/k', limit: 10 });
    expect(kept.revisions.map((one) => one.version)).toEqual([5, 4]);
    expect(kept.compactRevision).toBe(revisions[1]);
  });

  it('finds what was before a deletion when all lives are asked for', async () => {
    const first = await put('/k', 1);
    const deleted = await remove('/k');
    await put('/other', 1);
    const again = await put('/k', 2);
    const short = await readHistory(context, etcd, { key: '/k', limit: 10 });
    expect(short.revisions.map((one) => one.modRevision)).toEqual([again]);
    const all = await readHistory(context, etcd, { key: '/k', limit: 10, allLives: true });
    expect(all.revisions.map((one) => [one.type, one.modRevision])).toEqual([
      ['PUT', again],
      ['DELETE', deleted],
      ['PUT', first],
    ]);
    expect(all.revisions[1]?.record?.request).toBe('delete /k');
    await remove('/k');
    const gone = await readHistory(context, etcd, { key: '/k', limit: 10, allLives: true });
    expect(gone.revisions.map((one) => one.type)).toEqual(['DELETE', 'PUT', 'DELETE', 'PUT']);
  });
});

describe('searchStore', () => {
  async function search(request: Partial<Parameters<typeof searchStore>[2]>): Promise<SearchItem[]> {
    const items: SearchItem[] = [];
    for await (const event of searchStore(context, etcd, { text: '', place: 'both', limit: 100, ...request }))
      if (event.type === 'ADDED') items.push(event.object);
    return items;
  }
  const matches = (items: readonly SearchItem[]) => items.filter((item) => item.kind === 'match');

  it('finds keys and values with what is around them, in every page, at one revision', async () => {
    await Promise.all(Array.from({ length: 900 }, (_one, at) => put(`/a/${at}`, { image: `Nginx:${at}` })));
    const items = await search({ text: 'nginx:77', place: 'values' });
    const found = matches(items);
    expect(found).toHaveLength(11);
    expect(found.find((one) => one.key === '/a/77')).toMatchObject({
      in: 'value',
      before: '{"image":"',
      match: 'Nginx:77',
      after: '"}',
    });
    expect(items.at(-1)).toMatchObject({
      kind: 'progress',
      done: true,
      more: false,
      scanned: 900,
      total: 900,
      matches: 11,
    });
    expect(matches(await search({ text: '/A/77', place: 'keys' }))).toHaveLength(11);
    expect(matches(await search({ text: 'nginx', place: 'keys' }))).toEqual([]);
    const few = await search({ text: 'nginx', limit: 5, prefix: '/a/1' });
    expect([matches(few).length, few.at(-1)]).toMatchObject([5, { done: true, more: true }]);
  });

  it('gives up when it is cancelled', async () => {
    await Promise.all(Array.from({ length: 900 }, (_one, at) => put(`/a/${at}`, { at })));
    const scope = context.withCancel();
    const events = searchStore(scope.context, etcd, { text: 'nothing', place: 'values', limit: 10 });
    expect((await events.next()).value).toEqual({ type: 'BOOKMARK' });
    expect((await events.next()).value).toMatchObject({ object: { kind: 'progress', done: false } });
    scope.cancel();
    expect(await events.next()).toEqual({ value: undefined, done: true });
  });
});

describe("a Secret's data", () => {
  const key = '/registry/secrets/default/door';
  const secret = (password: string) => ({
    ...{
      kind: 'Secret',
      metadata: { name: 'door', annotations: { 'kubectl.kubernetes.io/last-applied-configuration': password } },
    },
    data: { password },
  });

  it('is hidden until it is asked for, and differs where it differs', async () => {
    await put(key, secret('b3Blbg=='));
    const masked = await readKey(context, etcd, { key, raw: true });
    expect(masked.masking).toBe('masked');
    expect(masked.raw).toBeUndefined();
    expect(JSON.stringify(masked)).not.toContain('b3Blbg');
    expect(masked.value).toMatchObject({
      kind: 'Secret',
      data: { password: expect.stringMatching(/^\(hidden: 8 bytes, mark [0-9a-f]{8}\)$/) },
    });
    await put(key, secret('c2hhcg=='));
    expect((await readKey(context, etcd, { key })).value).not.toEqual(masked.value);
    const revealed = await readKey(context, etcd, { key, raw: true, reveal: true });
    expect([revealed.masking, revealed.value]).toEqual(['revealed', secret('c2hhcg==')]);
    expect(Buffer.from(revealed.raw ?? '', 'base64').toString()).toContain('c2hhcg==');
  });

  it('is not shown by a search', async () => {
    await put(key, secret('b3Blbg=='));
    const found: unknown[] = [];
    for await (const event of searchStore(context, etcd, { text: 'b3Blbg', place: 'both', limit: 5 }))
      found.push(event);
    expect(found).toHaveLength(3);
    expect(JSON.stringify(found)).not.toContain('b3Blbg');
    expect(found[1]).toMatchObject({ object: { key, in: 'value', match: '' } });
  });
});

describe('the store as a whole', () => {
  const source = () => ({
    ...({ kind: 'embedded', etcd, maintenance: etcd.maintenance } as const),
    access: { endpoint: 'https://127.0.0.1:2379', ca: '', cert: '', key: '' },
  });

  it('tells its leases, the first to run out first, with their keys', async () => {
    const long = await etcd.leaseGrant(context, 3600);
    const short = await etcd.leaseGrant(context, 60);
    const operation = { type: 'put', key: '/e/1', value: Buffer.from('1'), lease: long.id } as const;
    await etcd.txn(context, { compare: [], success: [operation], failure: [] });
    const { leases, count } = await readLeases(context, etcd, clock);
    expect([count, ...leases.map((lease) => [lease.id, lease.grantedTtlSeconds, lease.keys])]).toEqual([
      2,
      [leaseText(short.id), 60, []],
      [leaseText(long.id), 3600, ['/e/1']],
    ]);
    expect((await readKey(context, etcd, { key: '/e/1' })).lease).toBe(leaseText(long.id));
  });

  it('tells who watches what', async () => {
    const watcher = etcd.watch(context, { key: '/a/', rangeEnd: '/a0', name: 'kube-apiserver/master-1 pods' });
    const responses = watcher.responses[Symbol.asyncIterator]();
    await put('/a/1', 1);
    await responses.next();
    const { watchers, complete } = await readWatchers(context, source(), [], clock);
    expect(complete).toBe(true);
    expect(watchers).toMatchObject([{ name: 'kube-apiserver/master-1 pods', key: '/a/', events: 1, lagRevisions: 0 }]);
    watcher.close();
  });

  it('is compacted and defragmented, and says what came of it', async () => {
    for (let round = 0; round < 40; round++)
      await Promise.all(Array.from({ length: 50 }, (_one, at) => put(`/k/${at}`, 'x'.repeat(2000) + String(round))));
    const { revision: now } = await etcd.status(context);
    const compacted = await compactStore(context, source(), now - 5, clock);
    expect([compacted.before.compactRevision, compacted.after.compactRevision]).toEqual([0, now - 5]);
    await expect(compactStore(context, source(), now - 5, clock)).rejects.toMatchObject({ reason: 'Expired' });
    await expect(compactStore(context, source(), now + 5, clock)).rejects.toMatchObject({ reason: 'BadRequest' });
    const { members, revision: at } = await readStatus(context, source());
    expect([members.length, members[0]?.isLeader, at]).toEqual([1, true, now]);
    const done: string[] = [];
    const small = await defragmentStore(context, source(), ['one'], (endpoint) => done.push(endpoint), clock);
    expect(done).toEqual(['one']);
    expect(small.after.dbSizeBytes).toBeLessThan(small.before.dbSizeBytes);
    expect((await readKey(context, etcd, { key: '/k/7' })).size).toBeGreaterThan(2000);
  });

  it('says which members are away when it does not answer', async () => {
    const away = (name: string, error?: string) => ({
      ...{ id: name, name, clientUrls: [], peerUrls: [], isLeader: false },
      ...(error ? { error } : {}),
    });
    const maintenance = new Proxy<EtcdMaintenance>(etcd.maintenance, {
      get: (target, name) =>
        name === 'members'
          ? () => Promise.resolve([away('etcd-1'), away('etcd-2', 'refused'), away('etcd-3', 'refused')])
          : Reflect.get(target, name),
    });
    const broken = new Proxy<EtcdClient>(etcd, {
      get: (target, name) =>
        name === 'status'
          ? () => Promise.reject(new EtcdError('UNAVAILABLE', 'etcdserver: no leader'))
          : Reflect.get(target, name),
    });
    await expect(readStatus(context, { ...source(), etcd: broken, maintenance })).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: expect.stringMatching(/no leader \(1 of 3 members answer; away: etcd-2, etcd-3\)$/),
    });
  });

  it('says that it does not answer while it is down', async () => {
    const down = { ...source(), maintenance: undefined };
    await expect(readStatus(context, down)).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
    await expect(readWatchers(context, down, [], clock)).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
  });
});
