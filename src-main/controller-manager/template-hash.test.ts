import { expect, test } from 'vitest';
import { computeHash, semanticEqual } from './template-hash.ts';

test('a hash does not depend on the order of fields, nor on empty ones', () => {
  const hash = computeHash({ a: 1, b: [{ c: 'x' }] });
  expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
  expect(computeHash({ b: [{ c: 'x', d: null }], e: {}, a: 1 })).toBe(hash);
  expect(computeHash({ a: 2, b: [{ c: 'x' }] })).not.toBe(hash);
  expect(computeHash({ a: 1, b: [{ c: 'x' }] }, 1)).not.toBe(hash);
});

test('absent, null and empty are one; 0, false and the empty text are values', () => {
  expect(semanticEqual({ a: null, b: [], c: {} }, {})).toBe(true);
  expect(semanticEqual({ a: 0 }, {})).toBe(false);
  expect(semanticEqual({ a: '' }, {})).toBe(false);
  expect(semanticEqual([1, 2], [2, 1])).toBe(false);
});
