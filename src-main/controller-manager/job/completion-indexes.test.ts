import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatIndexes, parseIndexes } from './completion-indexes.ts';

test('runs of three and more are joined', () => {
  expect(formatIndexes(new Set([6, 0, 2, 1, 5, 9]))).toBe('0-2,5,6,9');
  expect(parseIndexes('0-2,5,9', 9)).toEqual(new Set([0, 1, 2, 5]));
  expect(parseIndexes(undefined, 9)).toEqual(new Set());
});

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(60)), (indexes) => {
      expect(parseIndexes(formatIndexes(new Set(indexes)), 61)).toEqual(new Set(indexes.sort((a, b) => a - b)));
    }),
  );
});
