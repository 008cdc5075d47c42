import { expect, test } from 'vitest';
import { AddressPool } from './address-pool.ts';

test('gives each owner one address until the range is empty, and takes back', () => {
  const pool = new AddressPool({ first: '172.30.255.254', last: '172.31.0.1' });
  expect(['a', 'b', 'c', 'd'].map((owner) => pool.takeAny(owner))).toEqual([
    '172.30.255.254',
    '172.30.255.255',
    '172.31.0.0',
    '172.31.0.1',
  ]);
  expect(pool.takeAny('e')).toBeUndefined();
  expect([pool.release('b'), pool.release('b')]).toEqual([true, false]);
  expect(pool.takeAny('e')).toBe('172.30.255.255');
  expect(pool.ownerOf('172.30.255.255')).toBe('e');
});

test('an owner who takes another address lets go of the first; nobody takes what is not theirs', () => {
  const pool = new AddressPool({ first: '10.0.0.1', last: '10.0.0.9' });
  expect(pool.take('10.0.0.5', 'a')).toBe(true);
  expect(pool.take('10.0.0.5', 'a')).toBe(true);
  expect(pool.take('10.0.0.5', 'b')).toBe(false);
  expect(pool.take('10.0.0.10', 'b')).toBe(false);
  expect(pool.take('10.0.0.6', 'a')).toBe(true);
  expect(pool.addressOf('a')).toBe('10.0.0.6');
  expect(pool.take('10.0.0.5', 'b')).toBe(true);
  expect(() => new AddressPool({ first: '10.0.0.9', last: '10.0.0.1' })).toThrow(/no range/);
});
