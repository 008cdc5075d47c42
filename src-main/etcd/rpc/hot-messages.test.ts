import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeKey } from '../byte-string.ts';
import { revision, type KeyValue } from '../client.ts';
import { prefixBytes } from './grpc/framing.ts';
import { encodeEvents, encodePut, encodeRange } from './hot-messages.ts';
import { decodeMessage } from './schema.ts';

const identity = { clusterId: '18446744073709551615', memberId: '1', raftTerm: 2 };
const header = (at: number): object => ({
  cluster_id: '18446744073709551615',
  member_id: '1',
  revision: String(at),
  raft_term: '2',
});

const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER }).chain((max) => fc.integer({ min: 0, max }));
const keyValue: fc.Arbitrary<KeyValue> = fc.record({
  key: fc.string({ unit: 'binary', maxLength: 12 }),
  value: fc.uint8Array({ maxLength: 300 }),
  createRevision: whole.map(revision),
  modRevision: whole.map(revision),
  version: whole,
  lease: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
});

function message(kv: KeyValue): object {
  return {
    key: Buffer.from(encodeKey(kv.key)),
    create_revision: String(kv.createRevision),
    mod_revision: String(kv.modRevision),
    version: String(kv.version),
    value: Buffer.from(kv.value),
    lease: String(kv.lease),
  };
}

function decode(name: string, framed: Buffer): unknown {
  expect([framed[0], framed.readUInt32BE(1)]).toEqual([0, framed.length - prefixBytes]);
  return decodeMessage(name, framed.subarray(prefixBytes));
}

it('what is written by hand reads as the table says', () => {
  fc.assert(
    fc.property(fc.array(keyValue, { maxLength: 5 }), whole, fc.boolean(), (kvs, number, flag) => {
      const at = revision(number);
      expect(decode('RangeResponse', encodeRange(identity, { revision: at, kvs, more: flag, count: number }))).toEqual({
        header: header(number),
        kvs: kvs.map(message),
        more: flag,
        count: String(number),
      });
      const [prevKv] = kvs;
      expect(decode('PutResponse', encodePut(identity, at, prevKv))).toEqual({
        header: header(number),
        prev_kv: prevKv ? message(prevKv) : null,
      });
      const events = kvs.map((kv) => ({ type: flag ? ('PUT' as const) : ('DELETE' as const), kv, prevKv }));
      const watch = { id: number, revision: number, fragment: flag };
      expect(decode('WatchResponse', encodeEvents(identity, watch, events))).toMatchObject({
        header: header(number),
        watch_id: String(number),
        fragment: flag,
        events: kvs.map((kv) => ({ type: flag ? 0 : 1, kv: message(kv), prev_kv: prevKv ? message(prevKv) : null })),
      });
    }),
    { seed: 20261122, numRuns: 200 },
  );
});

it('grows for a message larger than its buffer, and is empty again after it', () => {
  const value = new Uint8Array(9_000_000).fill(7);
  const kv = { key: 'k', value, createRevision: revision(2), modRevision: revision(2), version: 1, lease: 0n };
  const large = { revision: revision(2), kvs: [kv, kv], more: false, count: 2 };
  expect(encodeRange(identity, large).length).toBeGreaterThan(18_000_000);
  const empty = decode('RangeResponse', encodeRange(identity, { ...large, kvs: [], count: 0 }));
  expect(empty).toEqual({ header: header(2), kvs: [], more: false, count: '0' });
});
