import { deepFreeze } from '#base/freeze';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';

const document = deepFreeze({ a: { b: [1, 2, 3] }, 'x/y': 1 });

test.each([
  [[{ op: 'add', path: '/a/b/1', value: 9 }], { a: { b: [1, 9, 2, 3] }, 'x/y': 1 }],
  [[{ op: 'add', path: '/a/b/-', value: 9 }], { a: { b: [1, 2, 3, 9] }, 'x/y': 1 }],
  [[{ op: 'remove', path: '/a/b/0' }], { a: { b: [2, 3] }, 'x/y': 1 }],
  [[{ op: 'replace', path: '/x~1y', value: 2 }], { a: { b: [1, 2, 3] }, 'x/y': 2 }],
  [[{ op: 'move', from: '/a/b', path: '/c' }], { a: {}, c: [1, 2, 3], 'x/y': 1 }],
  [
    [
      { op: 'copy', from: '/a/b/0', path: '/d' },
      { op: 'test', path: '/d', value: 1 },
    ],
    { a: { b: [1, 2, 3] }, 'x/y': 1, d: 1 },
  ],
])('applies %j', (patch, result) => {
  expect(applyJsonPatch(document, patch)).toEqual(result);
});

test.each([
  [[{ op: 'test', path: '/a/b/0', value: 2 }], 'testing value /a/b/0 failed'],
  [[{ op: 'remove', path: '/nope' }], 'doc is missing key: /nope'],
  [[{ op: 'remove', path: '/a/nope' }], 'doc is missing key: /a/nope'],
  [[{ op: 'add', path: '/a/b/7', value: 1 }], 'invalid index'],
  [[{ op: 'frob', path: '/a' }], 'Unexpected kind: frob'],
])('refuses %j', (patch, text) => {
  expect(() => applyJsonPatch(document, patch)).toThrow(text);
});

test('a merge patch onto nothing is the patch without its nulls, and applying it twice changes nothing more', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (before, patch) => {
      const once = applyMergePatch(before, patch);
      expect(applyMergePatch(once, patch)).toEqual(once);
    }),
  );
});
