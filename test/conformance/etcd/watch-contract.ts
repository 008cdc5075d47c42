import { describe, expect, it } from 'vitest';
import { prefixEnd, revision, type StoreEvent, type WatchRequest } from '#etcd/client';
import { context, del, eventsUntil, everything, only, put, refusals, short, text, type Lab } from './harness.ts';

/** Watches: which events, in which order, from where, and how they end. */
export function watchContract(lab: Lab): void {
  describe('watches', () => {
    const eventsOf = (request: WatchRequest, last: number): Promise<StoreEvent[]> =>
      eventsUntil(lab.client.watch(context, request).responses, last);
    const from = (at: number, extra: Partial<WatchRequest> = {}): WatchRequest => ({
      ...everything,
      startRevision: revision(at),
      ...extra,
    });

    it('deliver what follows, in order, with what was before', async () => {
      const { client } = lab;
      await client.txn(context, only(put('a/1', 'old')));
      const watcher = client.watch(context, { key: 'a/', rangeEnd: prefixEnd('a/'), prevKv: true });
      // Over a network a watch begins a little later: a progress note tells when.
      watcher.requestProgress();
      const responses = watcher.responses[Symbol.asyncIterator]();
      expect((await responses.next()).value).toEqual({ revision: 2, events: [] });
      await client.txn(context, only(put('a/1', 'new'), put('b')));
      await client.txn(context, only(del('a/1')));
      const events = await eventsUntil({ [Symbol.asyncIterator]: () => responses }, 4);
      expect(events.map(short)).toEqual([
        ['PUT', 'a/1', 3],
        ['DELETE', 'a/1', 4],
      ]);
      expect(events.map(({ prevKv }) => text(prevKv?.value))).toEqual(['old', 'new']);
    });

    it('tell the tombstone of a deletion: key and revision, nothing else', async () => {
      await lab.client.txn(context, only(put('a', 'v')));
      await lab.client.txn(context, only(del('a')));
      const [event] = await eventsOf(from(3), 3);
      expect(event).toMatchObject({ type: 'DELETE', kv: { key: 'a', createRevision: 0, modRevision: 3, version: 0 } });
      expect([event?.kv.value.length, event?.kv.lease, event?.prevKv]).toEqual([0, 0n, undefined]);
    });

    it('keep the order of the operations within a revision, and of the keys within a deletion', async () => {
      const { client } = lab;
      await client.txn(context, only(put('d'), put('c'), put('b')));
      await client.txn(context, only(put('z'), del('b', 'e'), put('a')));
      expect((await eventsOf(from(2), 3)).map(short)).toEqual([
        ...[
          ['PUT', 'd', 2],
          ['PUT', 'c', 2],
          ['PUT', 'b', 2],
        ],
        ...[
          ['PUT', 'z', 3],
          ['DELETE', 'b', 3],
          ['DELETE', 'c', 3],
          ['DELETE', 'd', 3],
          ['PUT', 'a', 3],
        ],
      ]);
    });

    it('tell what a read before the revision finds, also when a key changes twice in one', async () => {
      const { client } = lab;
      await client.txn(context, only(put('b', 'old')));
      const expected = [
        ['PUT', 'b', 2, ''],
        ['PUT', 'b', 3, 'old'],
        ['DELETE', 'b', 3, 'old'],
        ['PUT', 'b', 4, ''],
      ];
      const told = (events: readonly StoreEvent[]) => events.map((one) => [...short(one), text(one.prevKv?.value)]);
      const live = client.watch(context, { key: 'b', startRevision: revision(3), prevKv: true });
      await client.txn(context, only(put('b', 'new'), del('a', '\0')));
      await client.txn(context, only(del('b', '\0'), put('b', 'again')));
      expect(told(await eventsOf({ key: 'b', startRevision: revision(2), prevKv: true }, 4))).toEqual(expected);
      expect(told(await eventsUntil(live.responses, 4))).toEqual(expected.slice(1));
    });

    it('leave out puts, or deletions', async () => {
      const { client } = lab;
      const live = client.watch(context, from(2, { noPut: true, name: 'a test' }));
      await client.txn(context, only(put('a'), put('b')));
      await client.txn(context, only(put('c'), del('a')));
      await client.txn(context, only(del('b'), put('d')));
      const deletions = [
        ['DELETE', 'a', 3],
        ['DELETE', 'b', 4],
      ];
      expect((await eventsOf(from(2, { noPut: true }), 4)).map(short)).toEqual(deletions);
      expect((await eventsUntil(live.responses, 4)).map(short)).toEqual(deletions);
      const puts = await eventsOf(from(3, { noDelete: true }), 4);
      expect(puts.map(short)).toEqual([
        ['PUT', 'c', 3],
        ['PUT', 'd', 4],
      ]);
    });

    it('start in the past and go on into the present', async () => {
      const { client } = lab;
      for (let i = 0; i < 12; i++) {
        await Promise.all(Array.from({ length: 50 }, (_, k) => client.txn(context, only(put(`k${k % 7}`)))));
      }
      const watcher = client.watch(context, from(2));
      const more = Promise.all(Array.from({ length: 50 }, () => client.txn(context, only(put('k')))));
      const events = await eventsUntil(watcher.responses, 651);
      await more;
      expect(events.map(({ kv }) => kv.modRevision)).toEqual(Array.from({ length: 650 }, (_, i) => i + 2));
    });

    it('wait for a revision to come', async () => {
      const { client } = lab;
      const watcher = client.watch(context, { key: 'a', startRevision: revision(4) });
      for (let i = 0; i < 3; i++) await client.txn(context, only(put('a', String(i))));
      expect((await eventsUntil(watcher.responses, 4)).map(short)).toEqual([['PUT', 'a', 4]]);
    });

    it('fail when their start was compacted, and begin at the compacted revision itself', async () => {
      const { client } = lab;
      for (let i = 0; i < 5; i++) await client.txn(context, only(put('a', String(i))));
      await client.compact(context, revision(5), { physical: true });
      const watcher = client.watch(context, { key: 'a', startRevision: revision(4) });
      await expect(watcher.responses[Symbol.asyncIterator]().next()).rejects.toMatchObject(refusals.compacted);
      const events = await eventsOf({ key: 'a', startRevision: revision(5), prevKv: true }, 6);
      // What was before the compacted revision is not told, even where it is still on disk.
      expect(events.map((one) => [...short(one), text(one.prevKv?.value)])).toEqual([
        ['PUT', 'a', 5, ''],
        ['PUT', 'a', 6, '3'],
      ]);
    });

    it('tell the tombstones of the compacted revision, since 3.6', async () => {
      const { client, target } = lab;
      await client.txn(context, only(put('a'), put('b')));
      await client.txn(context, only(del('a'), put('b')));
      await client.txn(context, only(put('c')));
      await client.compact(context, revision(3), { physical: true });
      const told = [
        ['DELETE', 'a', 3],
        ['PUT', 'b', 3],
        ['PUT', 'c', 4],
      ];
      // etcd 3.4.33, 3.5.15 and before drop them with the rest (fixed in 3.4.34, 3.5.16 and 3.6).
      const expected = target.release === '3.4' ? told.slice(1) : told;
      expect((await eventsOf(from(3), 4)).map(short)).toEqual(expected);
    });

    it('refuse a range without keys', async () => {
      const watcher = lab.client.watch(context, { key: 'b', rangeEnd: 'a' });
      await expect(watcher.responses[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    });

    it('end with their context, and when closed', async () => {
      const { context: child, cancel } = context.withCancel();
      const watchers = [lab.client.watch(child, everything), lab.client.watch(context, everything)];
      cancel();
      watchers[1]?.close();
      for (const watcher of watchers) {
        expect((await watcher.responses[Symbol.asyncIterator]().next()).done).toBe(true);
      }
    });
  });
}
