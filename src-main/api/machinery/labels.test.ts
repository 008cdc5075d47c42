import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { matchesFields, parseFieldSelector, requiredFieldValue } from './fields.ts';
import { formatLabelSelector, formatSelector, matchesSelector, nothing, parseSelector, selectorOf } from './labels.ts';

describe('label selectors', () => {
  const labels = { app: 'web', tier: 'front', n: '5' };
  test.each([
    ['', true],
    ['app=web', true],
    ['app==web,tier!=back', true],
    ['app in (web,db),!gone', true],
    ['app notin (web)', false],
    ['gone notin (x)', true],
    ['gone!=x', true],
    ['tier', true],
    ['!tier', false],
    ['n>4,n<6', true],
    ['app=', false],
  ])('%s matches: %s', (text, expected) => {
    expect(matchesSelector(parseSelector(text), labels)).toBe(expected);
  });

  test.each(['a in b', 'a=b=c', 'a b', '=x', 'a,,b', 'a in (b', 'a b=c'])('%s is refused', (text) => {
    expect(() => parseSelector(text)).toThrow();
  });

  test('errors read as upstream', () => {
    expect(() => parseSelector('a in')).toThrow("unable to parse requirement: found '', expected: '('");
    expect(() => parseSelector('=x')).toThrow("found '=', expected: !, identifier, or 'end of string'");
  });

  test('what is printed is read back as the same', () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
    const term = fc.oneof(
      fc.tuple(word, word).map(([key, value]) => `${key}=${value}`),
      fc
        .tuple(word, fc.array(word, { minLength: 1, maxLength: 3 }))
        .map(([key, values]) => `${key} in (${values.join(',')})`),
      word.map((key) => `!${key}`),
      word,
    );
    fc.assert(
      fc.property(fc.array(term, { maxLength: 4 }), (terms) => {
        const text = formatSelector(parseSelector(terms.join(',')));
        expect(formatSelector(parseSelector(text))).toBe(text);
      }),
    );
  });

  test('objects', () => {
    expect(selectorOf(undefined)).toBe(nothing);
    expect(matchesSelector(selectorOf({}), labels)).toBe(true);
    const selector = {
      matchLabels: { app: 'web' },
      matchExpressions: [{ key: 'tier', operator: 'In', values: ['front', 'back'] }],
    };
    expect(matchesSelector(selectorOf(selector), labels)).toBe(true);
    expect(formatLabelSelector(selector)).toBe('app=web,tier in (back,front)');
  });
});

test('field selectors', () => {
  const selector = parseFieldSelector('spec.nodeName=n1,status.phase!=Running');
  expect(matchesFields(selector, { 'spec.nodeName': 'n1', 'status.phase': 'Pending' })).toBe(true);
  expect(matchesFields(selector, { 'spec.nodeName': 'n1', 'status.phase': 'Running' })).toBe(false);
  expect(requiredFieldValue(selector, 'spec.nodeName')).toBe('n1');
  expect(matchesFields(parseFieldSelector('a=x\\,y'), { a: 'x,y' })).toBe(true);
  expect(() => parseFieldSelector('abc')).toThrow("invalid selector: 'abc'; can't understand 'abc'");
});
