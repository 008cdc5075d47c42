import { describe, expect, it } from 'vitest';
import { noLease } from '../client.ts';
import { changeId } from '../mvcc/key-index.ts';
import {
  decodeChanges,
  decodeValue,
  encodeChanges,
  encodeValue,
  leaseKey,
  leaseOfKey,
  valueOf,
  type ChangeHeader,
} from './codec.ts';

const small: ChangeHeader = {
  key: '/registry/a',
  id: changeId(7, 1),
  createRevision: 5,
  version: 2,
  lease: 1_732_269_600_000_000n,
};
const deletion: ChangeHeader = { key: 'b', id: -changeId(7, 0), createRevision: 0, version: 0, lease: noLease };
const value = Buffer.from('{"a":1}');

/** Written by the release before leases were int64. */
const firstValue = Buffer.from('614ffcb90000000000001440020000000020a7c8f59d18437b2261223a317d', 'hex');
const firstChanges = Buffer.from(
  'ca4418c40000000000001c4000000000000000000000000000000000000000000000000001000000620100000000000000' +
    '00001440020000000020a7c8f59d18430b0000002f72656769737472792f61',
  'hex',
);

describe('records of the data file', () => {
  it('are what the first release wrote, and are read back', () => {
    expect(encodeValue(small, value)).toEqual(firstValue);
    expect(encodeChanges(7, [deletion, small])).toEqual(firstChanges);
    expect(decodeValue(small.key, small.id, firstValue)).toEqual(small);
    expect(valueOf(firstValue)).toEqual(value);
    expect(decodeChanges(firstChanges)).toEqual({ main: 7, changes: [deletion, small] });
    expect(leaseOfKey(1_732_269_600_000_000)).toBe(small.lease);
  });

  it.each([2n ** 53n - 1n, 2n ** 53n, 0x694d_81d3_eb9c_a018n, 2n ** 63n - 1n, -1n, -(2n ** 63n)])(
    'keep the lease %d',
    (lease) => {
      const header = { ...small, lease };
      expect(decodeValue(header.key, header.id, encodeValue(header, value))).toEqual(header);
      expect(decodeChanges(encodeChanges(7, [deletion, header]))?.changes).toEqual([deletion, header]);
      expect(leaseOfKey(leaseKey(lease))).toBe(lease);
    },
  );
});
