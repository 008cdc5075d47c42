import { describe, expect, it } from 'vitest';
import { revision } from '#etcd/client';
import { contents, context, del, eventsUntil, everything, only, put, refusals, short, type Lab } from './harness.ts';

/** Leases: grants, keys, revocation and expiry. */
export function leaseContract(lab: Lab): void {
  const inOrder = (ids: readonly bigint[]): bigint[] => [...ids].sort((a, b) => (a < b ? -1 : 1));
  const keysOf = async (id: bigint): Promise<string[]> =>
    [...(await lab.client.leaseTimeToLive(context, id)).keys].sort();

  describe('leases', () => {
    it('take their keys with them, in one revision', async () => {
      const { client } = lab;
      const lease = await client.leaseGrant(context, 60);
      expect(lease).toMatchObject({ grantedTtlSeconds: 60 });
      await client.txn(context, only(put('b', 'v', lease.id), put('a', 'v', lease.id), put('c')));
      await client.leaseRevoke(context, lease.id);
      const { responses } = client.watch(context, { ...everything, startRevision: revision(3) });
      expect((await eventsUntil(responses, 3)).map(short)).toEqual([
        ['DELETE', 'a', 3],
        ['DELETE', 'b', 3],
      ]);
      expect((await contents(client)).map((kv) => kv.key)).toEqual(['c']);
      expect((await client.leaseTimeToLive(context, lease.id)).remainingTtlSeconds).toBe(-1);
      await expect(client.leaseRevoke(context, lease.id)).rejects.toMatchObject(refusals.noLease);
      await expect(client.leaseKeepAlive(context, lease.id)).rejects.toMatchObject({ code: 'LEASE_NOT_FOUND' });
    });

    it('lose keys that are written again without or with another, or deleted', async () => {
      const { client } = lab;
      await client.leaseGrant(context, 60, 3n);
      await client.leaseGrant(context, 60, 4n);
      await client.txn(context, only(put('a', 'v', 3n), put('b', 'v', 3n), put('c', 'v', 3n), put('d', 'v', 3n)));
      await client.txn(context, only(put('b'), put('c', 'v', 4n), del('d')));
      expect([await keysOf(3n), await keysOf(4n)]).toEqual([['a'], ['c']]);
      await client.leaseRevoke(context, 3n);
      expect((await contents(client)).map((kv) => [kv.key, kv.lease])).toEqual([
        ['b', 0n],
        ['c', 4n],
      ]);
    });

    it('make no revision of their own', async () => {
      const { client } = lab;
      await client.leaseGrant(context, 60, 9n);
      await client.leaseKeepAlive(context, 9n);
      await client.leaseRevoke(context, 9n);
      expect((await client.range(context, everything)).revision).toBe(1);
    });

    it('are listed, granted once, and not for longer than 9,000,000,000 s', async () => {
      const { client } = lab;
      await client.leaseGrant(context, 60, 42n);
      await expect(client.leaseGrant(context, 60, 42n)).rejects.toMatchObject(refusals.leaseExists);
      await expect(client.leaseGrant(context, 9_000_000_001, 43n)).rejects.toMatchObject({
        message: 'etcdserver: too large lease TTL',
      });
      expect((await client.leaseGrant(context, 9_000_000_000, 44n)).grantedTtlSeconds).toBe(9_000_000_000);
      expect((await client.leaseGrant(context, -5, 45n)).grantedTtlSeconds).toBeGreaterThan(0);
      expect(inOrder(await client.leases(context)).filter((id) => id !== 45n)).toEqual([42n, 44n]);
      const known = await client.leaseTimeToLive(context, 42n);
      expect(known).toMatchObject({ id: 42n, grantedTtlSeconds: 60, keys: [] });
      expect([58, 59, 60]).toContain(known.remainingTtlSeconds);
    });

    it('are named by any int64 but 0', async () => {
      const ids = [2n ** 53n + 1n, 0x694d_81d3_eb9c_a018n, 2n ** 63n - 1n];
      for (const id of ids) {
        expect(await lab.client.leaseGrant(context, 60, id)).toMatchObject({ id });
        await lab.client.txn(context, only(put(`k${id}`, 'v', id)));
      }
      lab.client = (await lab.target.restart?.('orderly')) ?? lab.client;
      expect(inOrder(await lab.client.leases(context))).toEqual(ids);
      expect((await contents(lab.client)).map((kv) => kv.lease)).toEqual([ids[1], ids[0], ids[2]]);
      const held = await lab.client.txn(context, {
        compare: [{ key: `k${ids[1]}`, target: 'lease', result: '>', lease: 0x694d_81d3_eb9c_a017n }],
        success: [],
        failure: [],
      });
      expect(held.succeeded).toBe(true);
      for (const id of ids) await lab.client.leaseRevoke(context, id);
      expect(await contents(lab.client)).toEqual([]);
    });

    it('run out', async () => {
      const { client, target } = lab;
      const lease = await client.leaseGrant(context, 2);
      await client.txn(context, only(put('a', 'v', lease.id), put('b', 'v', lease.id)));
      const watcher = client.watch(context, { key: 'b', startRevision: revision(3) });
      await target.pass(4);
      expect((await eventsUntil(watcher.responses, 3)).map(short)).toEqual([['DELETE', 'b', 3]]);
      expect(await client.leases(context)).toEqual([]);
    });
  });
}
