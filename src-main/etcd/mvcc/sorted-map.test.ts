import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SortedMap } from './sorted-map.ts';

describe('a sorted map', () => {
  const key = fc.integer({ min: 0, max: 4000 }).map((n) => `k${n}`);

  it('keeps its items in order through chunks that split and vanish', () => {
    fc.assert(
      fc.property(
        fc.array(key, { minLength: 1200, maxLength: 2500 }),
        fc.array(key, { maxLength: 2000 }),
        key,
        key,
        (inserted, deleted, start, end) => {
          const map = new SortedMap<{ readonly key: string }>();
          for (const one of new Set(inserted)) map.insert({ key: one });
          for (const one of deleted) map.delete(one);
          const left = new Set(inserted);
          for (const one of deleted) left.delete(one);
          const expected = [...left].sort();
          expect(map.size).toBe(expected.length);
          expect([...map.range('', undefined)].map((item) => item.key)).toEqual(expected);
          const all: string[] = [];
          map.forEach('', undefined, (item) => all.push(item.key));
          expect(all).toEqual(expected);
          expect([...map.range(start, end)].map((item) => item.key)).toEqual(
            expected.filter((one) => one >= start && one < end),
          );
          const visited: string[] = [];
          map.forEach(start, end, (item) => visited.push(item.key));
          expect(visited).toEqual([...map.range(start, end)].map((item) => item.key));
          for (const one of inserted) expect(map.get(one)?.key).toBe(left.has(one) ? one : undefined);
        },
      ),
      { seed: 7, numRuns: 20 },
    );
  });

  it('fills its chunks when keys arrive in order', () => {
    const map = new SortedMap<{ readonly key: string }>();
    for (let i = 0; i < 5000; i++) map.insert({ key: String(i).padStart(6, '0') });
    expect(map.size).toBe(5000);
    expect(map.get('004999')?.key).toBe('004999');
    expect([...map.range('002000', '002003')].map((item) => item.key)).toEqual(['002000', '002001', '002002']);
  });
});
