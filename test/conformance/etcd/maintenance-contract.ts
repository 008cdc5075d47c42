import { describe, expect, it } from 'vitest';
import { revision } from '#etcd/client';
import { context, del, only, put, refusals, type Lab } from './harness.ts';

/** Maintenance: who is there, checksums, the file. Revisions are those of the store, not of the test. */
export function maintenanceContract(lab: Lab): void {
  describe('maintenance', () => {
    it('tells the one member', async () => {
      await lab.client.txn(context, only(put('a')));
      const members = await lab.target.maintenance.members(context);
      expect(members).toMatchObject([{ isLeader: true, version: expect.stringMatching(/^3\.\d+\.\d+$/) as string }]);
      expect(members[0]?.id).toMatch(/^[0-9a-f]+$/);
      expect(members[0]?.dbSizeBytes).toBeGreaterThan(0);
      expect(await lab.target.maintenance.alarms(context)).toEqual([]);
    });

    it('gives a checksum that changes with the history, and holds when it is compacted or defragmented', async () => {
      const { maintenance } = lab.target;
      const before = await maintenance.hashKv(context);
      await lab.client.txn(context, only(put('a')));
      const { revision: at, hash } = await maintenance.hashKv(context);
      expect(at).toBe(before.revision + 1);
      expect(hash).not.toBe(before.hash);
      await lab.client.txn(context, only(del('a')));
      expect((await maintenance.hashKv(context, at)).hash).toBe(hash);
      await maintenance.defragment(context);
      expect((await maintenance.hashKv(context, at)).hash).toBe(hash);
      await expect(maintenance.hashKv(context, revision(at + 5))).rejects.toMatchObject(refusals.future);
      await lab.client.compact(context, (await lab.client.range(context, { key: 'a' })).revision, { physical: true });
      await expect(maintenance.hashKv(context, at)).rejects.toMatchObject(refusals.compacted);
      expect((await maintenance.hash(context)).hash).toBeGreaterThan(0);
    });

    it('gives the file as it is, in parts', async () => {
      await lab.client.txn(context, only(put('a', 'x'.repeat(100_000))));
      let size = 0;
      for await (const part of lab.target.maintenance.snapshot(context)) size += part.length;
      expect(size).toBeGreaterThan(100_000);
    });
  });
}
