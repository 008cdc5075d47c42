import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import {
  EtcdError,
  noLease,
  revision,
  type Operation,
  type StoreEvent,
  type TxnRequest,
  type WatchResponse,
} from './client.ts';
import { Backend } from './backend/backend.ts';
import { EmbeddedEtcd } from './embedded-etcd.ts';

const context = Context.background();
const text = (value: string): Uint8Array => Buffer.from(value);
const put = (key: string, value = 'v', lease = noLease): Operation => ({ type: 'put', key, value: text(value), lease });
const only = (...success: Operation[]): TxnRequest => ({ compare: [], success, failure: [] });
const everything = { key: '\0', rangeEnd: '\0' };

let path: string;
let clock: SteppedClock;
let etcd: EmbeddedEtcd;

async function open(): Promise<EmbeddedEtcd> {
  etcd = await EmbeddedEtcd.open({ path, clock, logger: silentLogger, retention: 'none' });
  return etcd;
}

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'drydock-etcd-'));
  clock = new SteppedClock();
  await open();
});

afterEach(async () => {
  await etcd.close();
  rmSync(path, { recursive: true, force: true });
});

async function collect(responses: AsyncIterable<WatchResponse>, last: number): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  for await (const response of responses) {
    events.push(...response.events);
    if (response.revision >= last) break;
  }
  return events;
}

/** The state a reader can see, without what a restart may change. */
async function contents(store: EmbeddedEtcd, at?: number) {
  const response = await store.range(
    context,
    at === undefined ? everything : { ...everything, revision: revision(at) },
  );
  return response.kvs.map((kv) => ({ ...kv, value: Buffer.from(kv.value).toString() }));
}

describe('durability', () => {
  it('keeps what was acknowledged before a crash, in the same process', async () => {
    for (let i = 0; i < 20; i++) await etcd.txn(context, { ...only(put(`k${i}`)), record: `record ${i}` });
    const before = await contents(etcd);
    etcd.crash();
    await open();
    expect(await contents(etcd)).toEqual(before);
    expect(await etcd.records(context, revision(3), revision(4))).toEqual([
      { revision: 3, record: 'record 1' },
      { revision: 4, record: 'record 2' },
    ]);
  });

  it('refuses the callers of a crash, and shows nothing that is not on disk', async () => {
    const watcher = etcd.watch(context, everything);
    const pending = etcd.txn(context, only(put('a')));
    expect((await etcd.range(context, everything)).count).toBe(0);
    etcd.crash();
    await expect(pending).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const seen: WatchResponse[] = [];
    for await (const response of watcher.responses) seen.push(response);
    expect(seen).toEqual([]);
    await expect(etcd.range(context, everything)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('shares a flush among concurrent writers and tells a watcher in one response', async () => {
    const watcher = etcd.watch(context, everything);
    const answers = await Promise.all(Array.from({ length: 64 }, (_, i) => etcd.txn(context, only(put(`k${i}`)))));
    expect(answers.map((answer) => answer.revision)).toEqual(Array.from({ length: 64 }, (_, i) => i + 2));
    const first = await watcher.responses[Symbol.asyncIterator]().next();
    expect(first.value).toMatchObject({ revision: 65 });
    expect((first.value as WatchResponse).events).toHaveLength(64);
  });

  it('answers a transaction that only read after the writes it saw are on disk', async () => {
    const order: string[] = [];
    const write = etcd.txn(context, only(put('a'))).then(() => order.push('write'));
    const read = etcd.txn(context, only({ type: 'range', key: 'a' })).then((answer) => {
      order.push('read');
      expect(answer.responses[0]).toMatchObject({ type: 'range', count: 1, revision: 2 });
    });
    await Promise.all([write, read]);
    expect(order).toEqual(['write', 'read']);
  });
});

describe('a full disk', () => {
  it('takes writes back as if they had not been asked for, and goes on', async () => {
    await etcd.leaseGrant(context, 60, 7n);
    await etcd.txn(context, only(put('a', 'old', 7n), put('b')));
    const before = await contents(etcd);
    const watcher = etcd.watch(context, everything);
    const commit = vi.spyOn(Backend.prototype, 'commit').mockRejectedValueOnce(new EtcdError('NO_SPACE', 'full'));
    const failing = [
      etcd.txn(context, only(put('a', 'new'), { type: 'delete', key: 'b' })),
      etcd.txn(context, only(put('c'), { type: 'delete', key: 'a' })),
      etcd.leaseRevoke(context, 7n),
      etcd.leaseGrant(context, 60, 8n),
    ];
    for (const call of failing) await expect(call).rejects.toMatchObject({ code: 'NO_SPACE' });
    commit.mockRestore();
    expect(await contents(etcd)).toEqual(before);
    expect(await etcd.leases(context)).toEqual([7n]);
    expect((await etcd.leaseTimeToLive(context, 7n)).keys).toEqual(['a']);
    expect((await etcd.status(context)).keys).toBe(2);
    expect((await etcd.txn(context, only(put('d')))).revision).toBe(3);
    expect((await collect(watcher.responses, 3)).map(({ kv }) => kv.key)).toEqual(['d']);
  });
});

describe('a damaged or foreign data file', () => {
  const file = (): string => join(path, 'data.mdb');
  const fill = async (): Promise<void> => {
    const value = 'x'.repeat(3000);
    await Promise.all(Array.from({ length: 100 }, (_, i) => etcd.txn(context, only(put(`/registry/${i}`, value)))));
    await etcd.close();
  };
  const expectCorrupt = async (): Promise<void> => {
    const before = readFileSync(file());
    await expect(open()).rejects.toMatchObject({ code: 'CORRUPT', message: expect.stringContaining(file()) as string });
    expect(readFileSync(file()).equals(before)).toBe(true);
  };

  it('is refused when it is text', async () => {
    await etcd.close();
    writeFileSync(file(), 'this is not a database\n');
    await expectCorrupt();
  });

  it('is refused when it is truncated', async () => {
    await fill();
    truncateSync(file(), 8 * 4096);
    await expectCorrupt();
  });

  it('is refused when its pages are overwritten', async () => {
    await fill();
    const bytes = readFileSync(file());
    bytes.fill(0xa5, 2 * 4096);
    writeFileSync(file(), bytes);
    await expectCorrupt();
  });

  it('is refused when it belongs to another program', async () => {
    await etcd.close();
    const other = mkdtempSync(join(tmpdir(), 'drydock-other-'));
    const { open: openLmdb } = await import('lmdb');
    const root = openLmdb({ path: other, noSubdir: false });
    await root.openDB('people', {}).put('ada', 1);
    await root.close();
    copyFileSync(join(other, 'data.mdb'), file());
    rmSync(other, { recursive: true });
    await expectCorrupt();
  });

  it('never serves a value whose bytes changed', async () => {
    await fill();
    const bytes = readFileSync(file());
    const at = bytes.indexOf('x'.repeat(3000));
    bytes.fill(0x79, at, at + 100);
    writeFileSync(file(), bytes);
    await open();
    await expect(etcd.range(context, everything)).rejects.toMatchObject({
      code: 'CORRUPT',
      message: expect.stringContaining(file()) as string,
    });
  });
});

describe('leases', () => {
  it('get their whole time again when the store is opened, then delete their keys in one revision', async () => {
    const lease = await etcd.leaseGrant(context, 10, 77n);
    expect(lease).toMatchObject({ id: 77n, grantedTtlSeconds: 10, remainingTtlSeconds: 10 });
    await etcd.txn(context, only(put('a', 'v', 77n), put('b', 'v', 77n), put('c')));
    await clock.step(9000);
    etcd.crash();
    await open();
    expect(await etcd.leaseTimeToLive(context, 77n)).toMatchObject({ remainingTtlSeconds: 10, keys: ['a', 'b'] });
    const watcher = etcd.watch(context, everything);
    await clock.step(9999);
    expect((await etcd.range(context, everything)).count).toBe(3);
    await clock.step(1);
    const events = await collect(watcher.responses, 3);
    expect(events.map(({ type, kv }) => [type, kv.key, kv.modRevision])).toEqual([
      ['DELETE', 'a', 3],
      ['DELETE', 'b', 3],
    ]);
    expect((await etcd.leaseTimeToLive(context, 77n)).remainingTtlSeconds).toBe(-1);
  });

  it('live on while they are kept alive', async () => {
    await etcd.leaseGrant(context, 10, 5n);
    for (let i = 0; i < 5; i++) {
      await clock.step(8000);
      await etcd.leaseKeepAlive(context, 5n);
    }
    expect(await etcd.leases(context)).toEqual([5n]);
    await clock.step(10_000);
    expect(await etcd.leases(context)).toEqual([]);
  });
});

describe('automatic compaction', () => {
  it('keeps the longer of the last hour and the last revisions', async () => {
    await etcd.close();
    const retention = { keepMs: 3_600_000, keepRevisions: 10 };
    etcd = await EmbeddedEtcd.open({ path, clock, logger: silentLogger, retention });
    for (let i = 0; i < 30; i++) await etcd.txn(context, only(put('a', String(i))));
    await clock.step(3_000_000);
    expect((await etcd.status(context)).compactRevision).toBe(0);
    await clock.step(1_500_000);
    await etcd.compactionSettled();
    expect((await etcd.status(context)).compactRevision).toBe(21);
    await expect(etcd.range(context, { key: 'a', revision: revision(20) })).rejects.toMatchObject({
      code: 'COMPACTED',
    });
    expect((await etcd.range(context, { key: 'a', revision: revision(21) })).kvs[0]?.version).toBe(20);
  });
});

describe('a watcher that does not read', () => {
  it('misses nothing once it does', async () => {
    const watcher = etcd.watch(context, everything);
    for (let i = 0; i < 700; i++) await etcd.txn(context, only(put('a', String(i))));
    const events = await collect(watcher.responses, 701);
    expect(events.map(({ kv }) => kv.version)).toEqual(Array.from({ length: 700 }, (_, i) => i + 1));
  });
});
