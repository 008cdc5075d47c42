import { describe, expect, it } from 'vitest';
import { noLease, revision, type Compare, type Operation } from '#etcd/client';
import { bytes, contents, context, del, everything, only, put, refusals, text, type Lab } from './harness.ts';

type Condition = Compare extends infer One ? (One extends Compare ? Omit<One, 'key' | 'result'> : never) : never;

/** Transactions: revisions, versions, compares, what is refused. */
export function txnContract(lab: Lab): void {
  describe('transactions', () => {
    it('make one revision for all they write, the first being 2', async () => {
      const { client } = lab;
      expect((await client.range(context, everything)).revision).toBe(1);
      const answer = await client.txn(context, only(put('a'), put('b'), { type: 'range', key: 'a' }));
      expect(answer).toMatchObject({ revision: 2, succeeded: true });
      expect(answer.responses[2]).toMatchObject({ type: 'range', count: 1, revision: 2 });
      expect((await contents(client)).map((kv) => kv.modRevision)).toEqual([2, 2]);
    });

    it('make none when they write nothing', async () => {
      const { client } = lab;
      await client.txn(context, only(put('a')));
      const idle = [only(), only(del('x')), only(del('b', '\0')), only({ type: 'range', key: 'a' })];
      for (const request of idle) expect((await client.txn(context, request)).revision).toBe(2);
      expect((await client.txn(context, only(put('a')))).revision).toBe(3);
    });

    it('tell in each answer the revision at this point', async () => {
      const { client } = lab;
      await client.txn(context, only(put('a')));
      const read: Operation = { type: 'range', key: 'a' };
      const { responses } = await client.txn(context, only(read, del('x'), put('b'), del('x'), del('a'), read));
      expect(responses.map((one) => one.type !== 'txn' && one.revision)).toEqual([2, 2, 3, 3, 3, 3]);
      expect(responses[5]).toMatchObject({ count: 0 });
    });

    it('count versions anew after a deletion', async () => {
      const { client } = lab;
      await client.txn(context, only(put('a')));
      await client.txn(context, only(put('a')));
      expect((await contents(client))[0]).toMatchObject({ createRevision: 2, modRevision: 3, version: 2 });
      const deletion = await client.txn(context, only({ type: 'delete', key: 'a', prevKv: true }));
      expect(deletion.responses[0]).toMatchObject({ type: 'delete', deleted: 1, prevKvs: [{ key: 'a', version: 2 }] });
      const again = await client.txn(context, only({ type: 'put', key: 'a', value: bytes('x'), prevKv: true }));
      expect(again.responses[0]).toEqual({ type: 'put', revision: 5 });
      expect((await contents(client))[0]).toMatchObject({ createRevision: 5, modRevision: 5, version: 1 });
      expect((await contents(client, revision(3)))[0]).toMatchObject({ createRevision: 2, version: 2 });
    });

    const missing: Condition[] = [
      { target: 'mod', modRevision: revision(0) },
      { target: 'create', createRevision: revision(0) },
      { target: 'version', version: 0 },
      { target: 'lease', lease: noLease },
    ];
    it.each(missing)('take a missing key for $target 0', async (condition) => {
      const holds = async (result: Compare['result']): Promise<boolean> => {
        const compare = [{ key: 'none', result, ...condition }];
        return (await lab.client.txn(context, { compare, success: [], failure: [] })).succeeded;
      };
      expect(await Promise.all((['=', '!=', '>', '<'] as const).map(holds))).toEqual([true, false, false, false]);
    });

    it('compare every key of a range, and values of keys that exist only', async () => {
      const { client } = lab;
      await client.txn(context, only(put('a', 'm'), put('b', 'm')));
      await client.txn(context, only(put('b', 'n')));
      const holds = async (compare: Compare): Promise<boolean> =>
        (await client.txn(context, { compare: [compare], success: [], failure: [] })).succeeded;
      const all = { ...everything, result: '>' as const };
      expect(await holds({ ...all, target: 'mod', modRevision: revision(1) })).toBe(true);
      expect(await holds({ ...all, target: 'mod', modRevision: revision(2) })).toBe(false);
      expect(await holds({ ...all, target: 'value', value: bytes('l') })).toBe(true);
      expect(await holds({ ...all, target: 'value', value: bytes('m') })).toBe(false);
      expect(await holds({ key: 'x', rangeEnd: 'z', result: '=', target: 'version', version: 0 })).toBe(true);
      for (const result of ['=', '!=', '>', '<'] as const) {
        expect(await holds({ key: 'x', target: 'value', result, value: bytes('') })).toBe(false);
        expect(await holds({ key: 'x', rangeEnd: 'z', target: 'value', result, value: bytes('') })).toBe(false);
      }
    });

    it('take the failure branch and report what is there', async () => {
      const { client } = lab;
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
      const nested: Operation = {
        type: 'txn',
        compare: [{ key: 'a', target: 'version', result: '=', version: 0 }],
        success: [put('b'), { type: 'txn', ...only(put('d')) }],
        failure: [put('c')],
      };
      const answer = await lab.client.txn(context, only(put('a'), nested));
      expect(answer.responses[1]).toMatchObject({ type: 'txn', succeeded: true });
      expect((await contents(lab.client)).map((kv) => [kv.key, kv.modRevision])).toEqual([
        ['a', 2],
        ['b', 2],
        ['d', 2],
      ]);
    });
  });

  describe('puts that keep what is there', () => {
    const keep = (key: string, kept: 'value' | 'lease', extra: Partial<Extract<Operation, { type: 'put' }>> = {}) =>
      ({
        type: 'put',
        key,
        value: bytes(kept === 'value' ? '' : 'new'),
        ignoreValue: kept === 'value',
        ignoreLease: kept === 'lease',
        ...extra,
      }) as const;

    it('keep the value, or the lease', async () => {
      const { client } = lab;
      await client.leaseGrant(context, 60, 7n);
      await client.txn(context, only(put('a', 'one', 7n)));
      await client.txn(context, only(keep('a', 'lease')));
      expect((await contents(client))[0]).toMatchObject({ value: 'new', lease: 7n, version: 2 });
      const { responses } = await client.txn(context, only(put('b'), keep('a', 'value', { prevKv: true })));
      expect(responses[1]).toMatchObject({ prevKv: { version: 2, lease: 7n } });
      expect((await contents(client))[0]).toMatchObject({ value: 'new', lease: noLease, version: 3 });
      expect((await client.leaseTimeToLive(context, 7n)).keys).toEqual([]);
    });

    it('need a key, and nothing in place of what they keep', async () => {
      const { client } = lab;
      const missingKey = refusals.invalid('key not found');
      await expect(client.txn(context, only(keep('a', 'value')))).rejects.toMatchObject(missingKey);
      await expect(client.txn(context, only(put('b'), keep('a', 'lease')))).rejects.toMatchObject(missingKey);
      await expect(client.txn(context, only(keep('a', 'value', { value: bytes('x') })))).rejects.toMatchObject(
        refusals.invalid('value is provided'),
      );
      await expect(client.txn(context, only(keep('a', 'lease', { lease: 7n })))).rejects.toMatchObject(
        refusals.invalid('lease is provided'),
      );
      expect((await client.range(context, everything)).revision).toBe(1);
    });
  });

  describe('transactions that are refused', () => {
    const nested = (success: Operation[], failure: Operation[] = []): Operation => ({
      type: 'txn',
      compare: [],
      success,
      failure,
    });
    const twice: { title: string; operations: Operation[] }[] = [
      { title: 'two puts', operations: [put('a'), put('a')] },
      { title: 'a put and a deletion', operations: [put('a'), del('a')] },
      { title: 'a deletion of a range over a put', operations: [del('\0', 'b'), put('a')] },
      { title: 'a nested put', operations: [put('a'), nested([put('a')])] },
      { title: 'a nested deletion', operations: [put('a'), nested([], [del('a')])] },
      { title: 'two nested puts', operations: [nested([put('a')]), nested([], [put('a')])] },
    ];
    it.each(twice)('write one key by $title', async ({ operations }) => {
      await expect(lab.client.txn(context, only(...operations))).rejects.toMatchObject(refusals.duplicateKey);
      await expect(lab.client.txn(context, { compare: [], success: [], failure: operations })).rejects.toMatchObject(
        refusals.duplicateKey,
      );
      expect((await lab.client.range(context, everything)).revision).toBe(1);
    });

    it('not: both branches of a nested one, deletions of one key, a deletion without end', async () => {
      const { client } = lab;
      await client.txn(context, only(nested([put('a', '1')], [put('a', '2')])));
      const deleted = await client.txn(context, only(del('a'), del('a')));
      expect(deleted.responses).toMatchObject([{ deleted: 1 }, { deleted: 0 }]);
      await client.txn(context, only(put('a', 'x'), del('a', '\0')));
      expect(await contents(client)).toEqual([]);
      await client.txn(context, only(del('a', '\0'), put('a', 'y')));
      expect(await contents(client)).toMatchObject([{ createRevision: 5, modRevision: 5, version: 1, value: 'y' }]);
    });

    it('change nothing when they fail on the way', async () => {
      const { client } = lab;
      await expect(client.txn(context, only(put('a'), put('b', 'v', 4711n)))).rejects.toMatchObject(refusals.noLease);
      const read: Operation = { type: 'range', key: 'a', revision: revision(50) };
      await expect(client.txn(context, only(put('a'), read))).rejects.toMatchObject(refusals.future);
      await expect(client.txn(context, only(put('a'), nested([put('')])))).rejects.toMatchObject(
        refusals.invalid('key is not provided'),
      );
      // Puts are checked before ranges.
      await expect(client.txn(context, only(read, put('b', 'v', 4711n)))).rejects.toMatchObject(refusals.noLease);
      expect(await contents(client)).toEqual([]);
      expect((await client.range(context, everything)).revision).toBe(1);
    });

    it('read what was compacted', async () => {
      const { client } = lab;
      for (let i = 0; i < 4; i++) await client.txn(context, only(put('a', String(i))));
      await client.compact(context, revision(4));
      const read = (at: number): Operation => ({ type: 'range', key: 'a', revision: revision(at) });
      await expect(client.txn(context, only(put('b'), read(3)))).rejects.toMatchObject(refusals.compacted);
      const { responses } = await client.txn(context, only(put('b'), read(4)));
      const [kv] = responses[1]?.type === 'range' ? responses[1].kvs : [];
      expect(text(kv?.value)).toBe('2');
    });

    it('have more than 128 operations, those around a nested one counted with it', async () => {
      const { client } = lab;
      const puts = (count: number): Operation[] => Array.from({ length: count }, (_, i) => put(`k${i}`));
      const tooMany = refusals.invalid('too many operations in txn request');
      await expect(client.txn(context, only(...puts(129)))).rejects.toMatchObject(tooMany);
      await expect(client.txn(context, only(put('x'), nested(puts(127))))).rejects.toMatchObject(tooMany);
      expect((await client.txn(context, only(put('x'), nested(puts(126))))).revision).toBe(2);
      expect((await client.txn(context, only(...puts(128)))).revision).toBe(3);
    });

    it('are larger than 1.5 MiB', async () => {
      const { client } = lab;
      const size = 1.5 * 2 ** 20;
      const large = (bytesOfIt: number): Operation => ({ type: 'put', key: 'a', value: new Uint8Array(bytesOfIt) });
      await expect(client.txn(context, only(large(size)))).rejects.toMatchObject(
        refusals.invalid('request is too large'),
      );
      expect((await client.txn(context, only(large(size - 1000)))).revision).toBe(2);
    });
  });
}
