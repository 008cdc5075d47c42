import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { revision, type TxnRequest } from './client.ts';
import { EmbeddedEtcd } from './embedded-etcd.ts';

const context = Context.background();
const put = (key: string): TxnRequest => ({
  compare: [],
  success: [{ type: 'put', key, value: Buffer.from('v') }],
  failure: [],
});

let folder: string;
let clock: SteppedClock;
let etcd: EmbeddedEtcd;
const open = (name: string): Promise<EmbeddedEtcd> =>
  EmbeddedEtcd.open({ path: join(folder, name), clock, logger: silentLogger, name: 'master-1', retention: 'none' });

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-etcd-'));
  clock = new SteppedClock();
  etcd = await open('store');
});
afterEach(async () => {
  await etcd.close();
  rmSync(folder, { recursive: true, force: true });
});

it('a snapshot is the file of a store with the same history', async () => {
  for (let i = 0; i < 20; i++) await etcd.txn(context, put(`k${i % 3}`));
  await etcd.leaseGrant(context, 60, 7n);
  const parts: Uint8Array[] = [];
  for await (const part of etcd.maintenance.snapshot(context)) parts.push(part);
  await etcd.txn(context, put('later'));
  mkdirSync(join(folder, 'copy'));
  writeFileSync(join(folder, 'copy/data.mdb'), Buffer.concat(parts));
  const copy = await open('copy');
  const at = revision(21);
  expect((await copy.status(context)).revision).toBe(at);
  expect(await copy.maintenance.hashKv(context)).toEqual(await etcd.maintenance.hashKv(context, at));
  expect(await copy.leases(context)).toEqual([7n]);
  await copy.close();
});

it('watchers are told with their name, their events and how far behind they are', async () => {
  const watcher = etcd.watch(context, { key: 'a', rangeEnd: 'b', name: 'a test' });
  await clock.step(5000);
  etcd.watch(context, { key: 'x' });
  for (let i = 0; i < 3; i++) await etcd.txn(context, put('a'));
  const first = { id: 1, name: 'a test', key: 'a', rangeEnd: 'b', sinceMs: clock.now() - 5000 };
  const second = { id: 2, name: '', key: 'x', sinceMs: clock.now(), events: 0, lagRevisions: 0 };
  expect(await etcd.maintenance.watchers(context)).toEqual([{ ...first, events: 0, lagRevisions: 3 }, second]);
  const responses = watcher.responses[Symbol.asyncIterator]();
  await responses.next();
  expect(await etcd.maintenance.watchers(context)).toEqual([{ ...first, events: 1, lagRevisions: 2 }, second]);
  await responses.next();
  await responses.next();
  watcher.requestProgress();
  await responses.next();
  expect(await etcd.maintenance.watchers(context)).toEqual([{ ...first, events: 3, lagRevisions: 0 }, second]);
  watcher.close();
  expect(await etcd.maintenance.watchers(context)).toEqual([second]);
});

it('leases are listed by when they end, as etcd lists them', async () => {
  await etcd.leaseGrant(context, 300, 1n);
  await etcd.leaseGrant(context, 100, 3n);
  await etcd.leaseGrant(context, 200, 2n);
  expect(await etcd.leases(context)).toEqual([3n, 2n, 1n]);
});
