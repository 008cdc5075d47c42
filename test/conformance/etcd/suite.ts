import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Context } from '#base/context';
import {
  noLease,
  prefixEnd,
  revision,
  type EtcdClient,
  type Operation,
  type Revision,
  type StoreEvent,
  type TxnRequest,
  type WatchResponse,
} from '#etcd/client';
import { NaiveStore } from './naive-store.ts';

/** One implementation of {@link EtcdClient} under test. */
export interface EtcdTarget {
  /** An empty store at revision 1. */
  start(): Promise<EtcdClient>;
  /** Ends the store and opens it again with what it had on disk; absent where the test may not do that. */
  readonly restart?: (how: 'orderly' | 'crash') => Promise<EtcdClient>;
  /** Lets `seconds` pass for leases. */
  pass(seconds: number): Promise<void>;
  stop(): Promise<void>;
}

const context = Context.background();
const bytes = (value: string): Uint8Array => Buffer.from(value);
const put = (key: string, value = 'v', lease = noLease): Operation => ({
  type: 'put',
  key,
  value: bytes(value),
  lease,
});
const only = (...success: Operation[]): TxnRequest => ({ compare: [], success, failure: [] });
const everything = { key: '\0', rangeEnd: '\0' };

async function contents(client: EtcdClient, at?: Revision) {
  const response = await client.range(context, at === undefined ? everything : { ...everything, revision: at });
  return response.kvs.map((kv) => ({ ...kv, value: Buffer.from(kv.value).toString() }));
}

/** Events until the revision `last`. */
async function eventsUntil(responses: AsyncIterable<WatchResponse>, last: number): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  for await (const response of responses) {
    events.push(...response.events);
    if (response.revision >= last) break;
  }
  return events;
}

const short = (event: StoreEvent): [string, string, number] => [event.type, event.kv.key, event.kv.modRevision];

/** The contract of {@link EtcdClient}, the same for every implementation. */
export function etcdConformance(name: string, target: EtcdTarget): void {
  describe(`etcd contract: ${name}`, () => {
    let client: EtcdClient;
    beforeEach(async () => {
      client = await target.start();
    });
    afterEach(() => target.stop());

    describe('ranges', () => {
      beforeEach(async () => {
        for (const key of ['a', 'b', 'b/1', 'b/2', 'c']) await client.txn(context, only(put(key)));
      });

      it('read one key, a half-open range, a prefix, and everything', async () => {
        const keys = async (key: string, rangeEnd?: string): Promise<string[]> =>
          (await client.range(context, rangeEnd === undefined ? { key } : { key, rangeEnd })).kvs.map((kv) => kv.key);
        expect(await keys('b')).toEqual(['b']);
        expect(await keys('a', 'b/2')).toEqual(['a', 'b', 'b/1']);
        expect(await keys('b/', prefixEnd('b/'))).toEqual(['b/1', 'b/2']);
        expect(await keys('b', '\0')).toEqual(['b', 'b/1', 'b/2', 'c']);
        expect(await keys('x')).toEqual([]);
      });

      it('count what a limit leaves out', async () => {
        const page = await client.range(context, { ...everything, limit: 2 });
        expect([page.kvs.length, page.count, page.more, page.revision]).toEqual([2, 5, true, 6]);
        const rest = await client.range(context, { ...everything, limit: 5 });
        expect([rest.kvs.length, rest.count, rest.more]).toEqual([5, 5, false]);
        const count = await client.range(context, { ...everything, countOnly: true });
        expect([count.kvs.length, count.count, count.more]).toEqual([0, 5, false]);
      });

      it('leave values out when only keys are asked for', async () => {
        const [kv] = (await client.range(context, { key: 'c', keysOnly: true })).kvs;
        expect(kv).toMatchObject({ key: 'c', modRevision: 6, version: 1 });
        expect(kv?.value.length).toBe(0);
      });

      it('read the past and refuse the future and the compacted', async () => {
        await client.txn(context, only({ type: 'delete', key: 'a' }));
        await client.txn(context, only(put('b', 'new')));
        expect((await contents(client, revision(6))).map((kv) => kv.key)).toEqual(['a', 'b', 'b/1', 'b/2', 'c']);
        const old = await client.range(context, { key: 'b', revision: revision(7) });
        expect(old.revision).toBe(8);
        expect(Buffer.from(old.kvs[0]?.value ?? []).toString()).toBe('v');
        await expect(client.range(context, { ...everything, revision: revision(9) })).rejects.toMatchObject({
          code: 'FUTURE_REVISION',
        });
        await client.compact(context, revision(7));
        await expect(client.range(context, { ...everything, revision: revision(6) })).rejects.toMatchObject({
          code: 'COMPACTED',
        });
        expect((await contents(client, revision(7))).map((kv) => kv.key)).toEqual(['b', 'b/1', 'b/2', 'c']);
        await expect(client.compact(context, revision(7))).rejects.toMatchObject({ code: 'COMPACTED' });
        await expect(client.compact(context, revision(99))).rejects.toMatchObject({ code: 'FUTURE_REVISION' });
      });

      it('order keys by bytes', async () => {
        for (const key of ['z', 'é', '\u{1f600}', '\uffee']) await client.txn(context, only(put(`u/${key}`)));
        const range = await client.range(context, { key: 'u/', rangeEnd: prefixEnd('u/') });
        expect(range.kvs.map((kv) => kv.key)).toEqual(['u/z', 'u/é', 'u/\uffee', 'u/\u{1f600}']);
      });
    });

    describe('transactions', () => {
      it('make one revision for all they write, the first being 2', async () => {
        expect((await client.range(context, everything)).revision).toBe(1);
        const answer = await client.txn(context, only(put('a'), put('b'), { type: 'range', key: 'a' }));
        expect(answer).toMatchObject({ revision: 2, succeeded: true });
        expect(answer.responses[2]).toMatchObject({ type: 'range', count: 1, revision: 2 });
        expect((await contents(client)).map((kv) => kv.modRevision)).toEqual([2, 2]);
        expect((await client.txn(context, only({ type: 'delete', key: 'x' }))).revision).toBe(2);
      });

      it('count versions anew after a deletion', async () => {
        await client.txn(context, only(put('a')));
        await client.txn(context, only(put('a')));
        expect((await contents(client))[0]).toMatchObject({ createRevision: 2, modRevision: 3, version: 2 });
        const deletion = await client.txn(context, only({ type: 'delete', key: 'a', prevKv: true }));
        expect(deletion.responses[0]).toMatchObject({
          type: 'delete',
          deleted: 1,
          prevKvs: [{ key: 'a', version: 2 }],
        });
        const again = await client.txn(context, only({ type: 'put', key: 'a', value: bytes('x'), prevKv: true }));
        expect(again.responses[0]).toEqual({ type: 'put', revision: 5 });
        expect((await contents(client))[0]).toMatchObject({ createRevision: 5, modRevision: 5, version: 1 });
      });

      const missing = [
        { target: 'mod', modRevision: revision(0) },
        { target: 'create', createRevision: revision(0) },
        { target: 'version', version: 0 },
        { target: 'lease', lease: noLease },
      ] as const;
      it.each(missing)('compare $target of a missing key as zero', async (compare) => {
        const answer = await client.txn(context, {
          compare: [{ key: 'a', result: '=', ...compare }],
          success: [put('a')],
          failure: [],
        });
        expect(answer.succeeded).toBe(true);
      });

      it('compare values, and never a missing one', async () => {
        await client.txn(context, only(put('a', 'm')));
        const holds = async (key: string, result: '=' | '!=' | '>' | '<', value: string): Promise<boolean> => {
          const compare = [{ key, target: 'value' as const, result, value: bytes(value) }];
          return (await client.txn(context, { compare, success: [], failure: [] })).succeeded;
        };
        expect(await holds('a', '=', 'm')).toBe(true);
        expect(await holds('a', '!=', 'm')).toBe(false);
        expect(await holds('a', '>', 'a')).toBe(true);
        expect(await holds('a', '<', 'a')).toBe(false);
        for (const result of ['=', '!=', '>', '<'] as const) expect(await holds('x', result, '')).toBe(false);
      });

      it('take the failure branch and report what is there', async () => {
        await client.txn(context, only(put('a', 'old')));
        const answer = await client.txn(context, {
          compare: [{ key: 'a', target: 'mod', result: '=', modRevision: revision(9) }],
          success: [put('a', 'new')],
          failure: [{ type: 'range', key: 'a' }],
        });
        expect(answer).toMatchObject({ succeeded: false, revision: 2 });
        expect(answer.responses[0]).toMatchObject({ type: 'range', kvs: [{ key: 'a', modRevision: 2 }] });
      });

      it('judge nested compares by the state before the first write', async () => {
        const answer = await client.txn(
          context,
          only(put('a'), {
            type: 'txn',
            compare: [{ key: 'a', target: 'version', result: '=', version: 0 }],
            success: [put('b')],
            failure: [put('c')],
          }),
        );
        expect(answer.responses[1]).toMatchObject({ type: 'txn', succeeded: true });
        expect((await contents(client)).map((kv) => kv.key)).toEqual(['a', 'b']);
      });

      const twice: { title: string; operations: Operation[] }[] = [
        { title: 'two puts', operations: [put('a'), put('a')] },
        { title: 'a put and a deletion', operations: [put('a'), { type: 'delete', key: 'a' }] },
        {
          title: 'a deletion of a range over a put',
          operations: [{ type: 'delete', key: '\0', rangeEnd: 'b' }, put('a')],
        },
        { title: 'a nested put', operations: [put('a'), { type: 'txn', ...only(put('a')) }] },
      ];
      it.each(twice)('refuse $title of one key', async ({ operations }) => {
        await expect(client.txn(context, only(...operations))).rejects.toMatchObject({ code: 'DUPLICATE_KEY' });
        expect((await client.range(context, everything)).revision).toBe(1);
      });

      it('may write one key in both branches of a nested transaction', async () => {
        const nested: Operation = { type: 'txn', compare: [], success: [put('a', '1')], failure: [put('a', '2')] };
        expect((await client.txn(context, only(nested))).revision).toBe(2);
      });

      it('change nothing when they fail on the way', async () => {
        await expect(client.txn(context, only(put('a'), put('b', 'v', 4711n)))).rejects.toMatchObject({
          code: 'LEASE_NOT_FOUND',
        });
        await expect(
          client.txn(context, only(put('a'), { type: 'range', key: 'a', revision: revision(50) })),
        ).rejects.toMatchObject({ code: 'FUTURE_REVISION' });
        await expect(client.txn(context, only(put('')))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
        expect(await contents(client)).toEqual([]);
      });
    });

    describe('watches', () => {
      it('deliver what follows, in order, with what was before', async () => {
        await client.txn(context, only(put('a/1', 'old')));
        const watcher = client.watch(context, { key: 'a/', rangeEnd: prefixEnd('a/'), prevKv: true });
        // Over a network a watch begins a little later: a progress note tells when.
        watcher.requestProgress();
        const responses = watcher.responses[Symbol.asyncIterator]();
        expect((await responses.next()).value).toEqual({ revision: 2, events: [] });
        await client.txn(context, only(put('a/1', 'new'), put('b')));
        await client.txn(context, only({ type: 'delete', key: 'a/1' }));
        const events = await eventsUntil({ [Symbol.asyncIterator]: () => responses }, 4);
        expect(events.map(short)).toEqual([
          ['PUT', 'a/1', 3],
          ['DELETE', 'a/1', 4],
        ]);
        expect(events.map(({ prevKv }) => Buffer.from(prevKv?.value ?? []).toString())).toEqual(['old', 'new']);
      });

      it('start in the past and go on into the present', async () => {
        for (let i = 0; i < 600; i++) await client.txn(context, only(put(`k${i % 7}`)));
        const watcher = client.watch(context, { ...everything, startRevision: revision(2) });
        const more = Promise.all(Array.from({ length: 50 }, () => client.txn(context, only(put('k')))));
        const events = await eventsUntil(watcher.responses, 651);
        await more;
        expect(events.map(({ kv }) => kv.modRevision)).toEqual(Array.from({ length: 650 }, (_, i) => i + 2));
      });

      it('tell what a read before the revision finds, also when a key changes twice in one', async () => {
        await client.txn(context, only(put('b', 'old')));
        await client.txn(context, only(put('b', 'new'), { type: 'delete', key: 'a', rangeEnd: '\0' }));
        await client.txn(context, only({ type: 'delete', key: 'b', rangeEnd: '\0' }, put('b', 'again')));
        const watcher = client.watch(context, { key: 'b', startRevision: revision(2), prevKv: true });
        const events = await eventsUntil(watcher.responses, 4);
        expect(events.map((event) => [...short(event), Buffer.from(event.prevKv?.value ?? []).toString()])).toEqual([
          ['PUT', 'b', 2, ''],
          ['PUT', 'b', 3, 'old'],
          ['DELETE', 'b', 3, 'old'],
          ['PUT', 'b', 4, ''],
        ]);
      });

      it('wait for a revision to come', async () => {
        const watcher = client.watch(context, { key: 'a', startRevision: revision(4) });
        for (let i = 0; i < 3; i++) await client.txn(context, only(put('a', String(i))));
        expect((await eventsUntil(watcher.responses, 4)).map(short)).toEqual([['PUT', 'a', 4]]);
      });

      it('fail when their start was compacted', async () => {
        for (let i = 0; i < 5; i++) await client.txn(context, only(put('a')));
        await client.compact(context, revision(5));
        const watcher = client.watch(context, { key: 'a', startRevision: revision(4) });
        await expect(watcher.responses[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'COMPACTED' });
        const later = client.watch(context, { key: 'a', startRevision: revision(5) });
        expect((await eventsUntil(later.responses, 6)).map(short)).toEqual([
          ['PUT', 'a', 5],
          ['PUT', 'a', 6],
        ]);
      });

      it('end with their context, and when closed', async () => {
        const { context: child, cancel } = context.withCancel();
        const watchers = [client.watch(child, everything), client.watch(context, everything)];
        cancel();
        watchers[1]?.close();
        for (const watcher of watchers) {
          expect((await watcher.responses[Symbol.asyncIterator]().next()).done).toBe(true);
        }
      });
    });

    describe('leases', () => {
      it('take their keys with them', async () => {
        const lease = await client.leaseGrant(context, 60);
        await client.txn(context, only(put('a', 'v', lease.id), put('b', 'v', lease.id), put('c')));
        await client.txn(context, only(put('b')));
        expect((await client.leaseTimeToLive(context, lease.id)).keys).toEqual(['a']);
        await client.leaseRevoke(context, lease.id);
        expect((await contents(client)).map((kv) => kv.key)).toEqual(['b', 'c']);
        expect((await client.leaseTimeToLive(context, lease.id)).remainingTtlSeconds).toBe(-1);
        await expect(client.leaseRevoke(context, lease.id)).rejects.toMatchObject({ code: 'LEASE_NOT_FOUND' });
        await expect(client.leaseKeepAlive(context, lease.id)).rejects.toMatchObject({ code: 'LEASE_NOT_FOUND' });
      });

      it('are listed, and granted once', async () => {
        await client.leaseGrant(context, 60, 42n);
        await expect(client.leaseGrant(context, 60, 42n)).rejects.toMatchObject({ code: 'LEASE_EXISTS' });
        expect(await client.leases(context)).toEqual([42n]);
      });

      it('are named by any int64 but 0', async () => {
        const ids = [2n ** 53n + 1n, 0x694d_81d3_eb9c_a018n, 2n ** 63n - 1n];
        for (const id of ids) {
          expect(await client.leaseGrant(context, 60, id)).toMatchObject({ id });
          await client.txn(context, only(put(`k${id}`, 'v', id)));
        }
        client = (await target.restart?.('orderly')) ?? client;
        expect([...(await client.leases(context))].sort((a, b) => (a < b ? -1 : 1))).toEqual(ids);
        expect((await contents(client)).map((kv) => kv.lease)).toEqual([ids[1], ids[0], ids[2]]);
        const held = await client.txn(context, {
          compare: [{ key: `k${ids[1]}`, target: 'lease', result: '>', lease: 0x694d_81d3_eb9c_a017n }],
          success: [],
          failure: [],
        });
        expect(held.succeeded).toBe(true);
        for (const id of ids) await client.leaseRevoke(context, id);
        expect(await contents(client)).toEqual([]);
      });

      it('run out', async () => {
        const lease = await client.leaseGrant(context, 2);
        await client.txn(context, only(put('a', 'v', lease.id)));
        const watcher = client.watch(context, { key: 'a', startRevision: revision(3) });
        await target.pass(4);
        expect((await eventsUntil(watcher.responses, 3)).map(short)).toEqual([['DELETE', 'a', 3]]);
      });
    });

    randomHistories(target);
  });
}

/** Random histories, compared with the naive model at every revision that can still be read. */
function randomHistories(target: EtcdTarget): void {
  const key = fc.constantFrom('a', 'a/1', 'a/2', 'b', 'b/é', 'c');
  const operation = fc.oneof(
    { weight: 4, arbitrary: fc.record({ type: fc.constant('put' as const), key, value: fc.string({ maxLength: 3 }) }) },
    { weight: 2, arbitrary: fc.record({ type: fc.constant('delete' as const), key, prefix: fc.boolean() }) },
  );
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ type: fc.constant('txn' as const), operations: fc.array(operation, { maxLength: 3 }) }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant('compact' as const), share }) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant('restart' as const),
        how: fc.constantFrom('orderly' as const, 'crash' as const),
      }),
    },
  );

  it('a random history reads and watches as the naive model says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        await target.stop();
        let client = await target.start();
        const model = new NaiveStore();
        for (const one of steps) {
          if (one.type === 'txn') await runTxn(client, model, one.operations.map(toOperation));
          else if (one.type === 'compact') await runCompaction(client, model, Math.round(one.share * model.revision));
          else client = (await target.restart?.(one.how)) ?? client;
        }
        await compareWithModel(client, model);
      }),
      { seed: 20260101, numRuns: 60 },
    );
  });
}

function toOperation(
  item: { type: 'put'; key: string; value: string } | { type: 'delete'; key: string; prefix: boolean },
): Operation {
  if (item.type === 'put') return put(item.key, item.value);
  return item.prefix
    ? { type: 'delete', key: item.key, rangeEnd: prefixEnd(item.key) }
    : { type: 'delete', key: item.key };
}

async function runTxn(client: EtcdClient, model: NaiveStore, operations: readonly Operation[]): Promise<void> {
  const expected = model.run(operations);
  const answer = client.txn(context, only(...operations));
  if (expected === 'DUPLICATE_KEY') await expect(answer).rejects.toMatchObject({ code: 'DUPLICATE_KEY' });
  else expect((await answer).revision).toBe(expected);
}

async function runCompaction(client: EtcdClient, model: NaiveStore, at: number): Promise<void> {
  const answer = client.compact(context, revision(at));
  if (at <= model.compacted) await expect(answer).rejects.toMatchObject({ code: 'COMPACTED' });
  else {
    await answer;
    model.compacted = at;
  }
}

async function compareWithModel(client: EtcdClient, model: NaiveStore): Promise<void> {
  for (let at = Math.max(1, model.compacted); at <= model.revision; at++) {
    expect(await contents(client, revision(at))).toEqual(model.contents(at));
  }
  const from = Math.max(2, model.compacted);
  if (model.revision < from) return;
  const watcher = client.watch(context, { ...everything, startRevision: revision(from) });
  const events = await eventsUntil(watcher.responses, model.revision);
  expect(events.map(short)).toEqual(model.eventsFrom(from));
}
