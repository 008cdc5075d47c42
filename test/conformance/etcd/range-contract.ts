import { beforeEach, describe, expect, it } from 'vitest';
import { prefixEnd, revision, type RangeRequest } from '#etcd/client';
import { contents, context, del, everything, only, put, refusals, text, type Lab } from './harness.ts';

/** Ranges: what they find, how it is cut and sorted, and which revisions can be read. */
export function rangeContract(lab: Lab): void {
  describe('ranges', () => {
    beforeEach(async () => {
      for (const key of ['a', 'b', 'b/1', 'b/2', 'c']) await lab.client.txn(context, only(put(key)));
    });

    const keys = async (request: RangeRequest): Promise<string[]> =>
      (await lab.client.range(context, request)).kvs.map((kv) => kv.key);

    it('read one key, a half-open range, a prefix, and everything', async () => {
      expect(await keys({ key: 'b' })).toEqual(['b']);
      expect(await keys({ key: 'a', rangeEnd: 'b/2' })).toEqual(['a', 'b', 'b/1']);
      expect(await keys({ key: 'b/', rangeEnd: prefixEnd('b/') })).toEqual(['b/1', 'b/2']);
      expect(await keys({ key: 'b', rangeEnd: '\0' })).toEqual(['b', 'b/1', 'b/2', 'c']);
      expect(await keys({ key: 'b/1', rangeEnd: '\0', serializable: true })).toEqual(['b/1', 'b/2', 'c']);
      expect(await keys({ key: 'x' })).toEqual([]);
      expect(await keys({ key: 'c', rangeEnd: 'a' })).toEqual([]);
      expect(await keys({ key: 'b', rangeEnd: 'b' })).toEqual([]);
    });

    it('need a key', async () => {
      const refused = refusals.invalid('key is not provided');
      await expect(lab.client.range(context, { key: '' })).rejects.toMatchObject(refused);
      await expect(lab.client.txn(context, only(put('')))).rejects.toMatchObject(refused);
      await expect(lab.client.txn(context, only(del('')))).rejects.toMatchObject(refused);
      const compare = { key: '', target: 'version', result: '=', version: 0 } as const;
      await expect(lab.client.txn(context, { compare: [compare], success: [], failure: [] })).rejects.toMatchObject(
        refused,
      );
    });

    it('count what a limit leaves out', async () => {
      const page = await lab.client.range(context, { ...everything, limit: 2 });
      expect([page.kvs.length, page.count, page.more, page.revision]).toEqual([2, 5, true, 6]);
      const rest = await lab.client.range(context, { ...everything, limit: 5 });
      expect([rest.kvs.length, rest.count, rest.more]).toEqual([5, 5, false]);
      const count = await lab.client.range(context, { ...everything, countOnly: true, limit: 2 });
      expect([count.kvs.length, count.count, count.more]).toEqual([0, 5, false]);
    });

    it('leave values out when only keys are asked for', async () => {
      const [kv] = (await lab.client.range(context, { key: 'c', keysOnly: true })).kvs;
      expect(kv).toMatchObject({ key: 'c', modRevision: 6, version: 1 });
      expect(kv?.value.length).toBe(0);
    });

    it('read the past and refuse the future and the compacted', async () => {
      const { client } = lab;
      await client.txn(context, only(del('a')));
      await client.txn(context, only(put('b', 'new')));
      expect(await keys({ ...everything, revision: revision(6) })).toEqual(['a', 'b', 'b/1', 'b/2', 'c']);
      const old = await client.range(context, { key: 'b', revision: revision(7) });
      expect([old.revision, text(old.kvs[0]?.value)]).toEqual([8, 'v']);
      await expect(client.range(context, { key: 'b', revision: revision(9) })).rejects.toMatchObject(refusals.future);
      await client.compact(context, revision(7));
      await expect(client.range(context, { key: 'b', revision: revision(6) })).rejects.toMatchObject(
        refusals.compacted,
      );
      expect((await contents(client, revision(7))).map((kv) => kv.key)).toEqual(['b', 'b/1', 'b/2', 'c']);
      await expect(client.compact(context, revision(7))).rejects.toMatchObject(refusals.compacted);
      await expect(client.compact(context, revision(6))).rejects.toMatchObject(refusals.compacted);
      await expect(client.compact(context, revision(9))).rejects.toMatchObject(refusals.future);
      await client.compact(context, revision(8), { physical: true });
      expect(await keys({ key: 'b', revision: revision(8) })).toEqual(['b']);
      expect(await keys({ key: 'b', revision: revision(-7) })).toEqual(['b']);
    });

    it('order keys by bytes', async () => {
      for (const key of ['z', 'é', '\u{1f600}', '\uffee']) await lab.client.txn(context, only(put(`u/${key}`)));
      expect(await keys({ key: 'u/', rangeEnd: prefixEnd('u/') })).toEqual(['u/z', 'u/é', 'u/\uffee', 'u/\u{1f600}']);
    });
  });

  describe('ranges that are sorted and bounded', () => {
    // key: create, mod, version, value   a: 2 7 2 Z   b: 3 3 1 y   c: 4 9 3 X   d: 5 5 1 y   e: 6 6 1 w
    beforeEach(async () => {
      const history = ['a=z', 'b=y', 'c=x', 'd=y', 'e=w', 'a=Z', 'c=x', 'c=X'];
      for (const [key = '', value] of history.map((one) => one.split('='))) {
        await lab.client.txn(context, only(put(key, value)));
      }
    });

    const read = async (request: Partial<RangeRequest>) => {
      const { kvs, count, more } = await lab.client.range(context, { ...everything, ...request });
      return [kvs.map((kv) => kv.key).join(''), count, more];
    };
    const by = (target: NonNullable<RangeRequest['sort']>['target'], order: 'none' | 'ascend' | 'descend') => ({
      sort: { target, order },
    });

    it('go by every target, up and down; what compares equal stays in key order', async () => {
      expect(await read(by('key', 'ascend'))).toEqual(['abcde', 5, false]);
      expect(await read(by('key', 'descend'))).toEqual(['edcba', 5, false]);
      expect(await read(by('create', 'descend'))).toEqual(['edcba', 5, false]);
      expect(await read(by('mod', 'ascend'))).toEqual(['bdeac', 5, false]);
      expect(await read(by('mod', 'descend'))).toEqual(['caedb', 5, false]);
      expect(await read(by('version', 'ascend'))).toEqual(['bdeac', 5, false]);
      expect(await read(by('version', 'descend'))).toEqual(['cabde', 5, false]);
      expect(await read(by('value', 'ascend'))).toEqual(['caebd', 5, false]);
      expect(await read(by('value', 'descend'))).toEqual(['bdeac', 5, false]);
    });

    it('are cut after they are sorted, but for the order none', async () => {
      expect(await read({ ...by('mod', 'descend'), limit: 2 })).toEqual(['ca', 5, true]);
      expect(await read({ ...by('value', 'ascend'), limit: 3, keysOnly: true })).toEqual(['cae', 5, true]);
      expect(await read({ ...by('mod', 'none'), limit: 2 })).toEqual(['ba', 5, true]);
      expect(await read(by('mod', 'none'))).toEqual(['bdeac', 5, false]);
      expect(await read({ ...by('key', 'descend'), limit: 5 })).toEqual(['edcba', 5, false]);
    });

    it('keep what is within the bounds, and count the rest as well', async () => {
      expect(await read({ minModRevision: revision(6) })).toEqual(['ace', 5, false]);
      expect(await read({ maxModRevision: revision(6) })).toEqual(['bde', 5, false]);
      expect(await read({ minCreateRevision: revision(3), maxCreateRevision: revision(5) })).toEqual(['bcd', 5, false]);
      expect(await read({ minModRevision: revision(5), maxCreateRevision: revision(5), limit: 2 })).toEqual([
        'ac',
        5,
        true,
      ]);
      expect(await read({ minModRevision: revision(5), limit: 2, countOnly: true })).toEqual(['', 5, false]);
      expect(await read({ minModRevision: revision(3), revision: revision(5), ...by('mod', 'descend') })).toEqual([
        'dcb',
        4,
        false,
      ]);
    });

    it('are so in a transaction, too', async () => {
      const { responses } = await lab.client.txn(
        context,
        only(put('f'), { type: 'range', ...everything, ...by('mod', 'descend'), limit: 2 }),
      );
      expect(responses[1]).toMatchObject({ revision: 10, count: 6, more: true, kvs: [{ key: 'f' }, { key: 'c' }] });
    });
  });
}
