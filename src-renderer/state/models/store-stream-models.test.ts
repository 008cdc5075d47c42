import { describe, expect, it } from 'vitest';
import type { StoreChange } from '#contract/store';
import { ChangeRing } from './change-ring.view-model.ts';
import { columnMs, columns, heatPrefixes, StoreRates } from './store-rates.view-model.ts';

const put = (revision: number, key = '/registry/pods/default/web'): StoreChange => ({
  ...{ revision, key, type: 'PUT', created: false, size: 1 },
});

describe('ChangeRing', () => {
  it('keeps the last ones and counts all', () => {
    const ring = new ChangeRing(3);
    for (const revision of [1, 2, 3, 4, 5]) ring.push(put(revision));
    expect(ring.newest().map((one) => one.revision)).toEqual([5, 4, 3]);
    expect([ring.total, ring.length, ring.at(0)?.revision, ring.at(3)]).toEqual([5, 3, 5, undefined]);
  });

  it('tells what came after a revision, and when it cannot know', () => {
    const ring = new ChangeRing(3);
    expect(ring.since(0)).toEqual([]);
    for (const revision of [1, 2, 3, 4, 5]) ring.push(put(revision));
    expect(ring.since(3)?.map((one) => one.revision)).toEqual([4, 5]);
    expect(ring.since(2)?.map((one) => one.revision)).toEqual([3, 4, 5]);
    expect(ring.since(1)).toBeUndefined();
  });
});

describe('StoreRates', () => {
  it('counts every change by second, and by prefix and column of time', () => {
    const rates = new StoreRates();
    const startMs = 1_000_000_000;
    for (let second = 0; second < 10; second++)
      rates.add(
        [put(1), put(2), { ...put(3, '/registry/services/specs/default/a'), type: 'DELETE' }],
        startMs + second * 1000,
      );
    expect(rates.perSecond(startMs + 10_000)).toEqual({ puts: 2, deletes: 1 });
    expect(rates.perSecond(startMs + 13_000)).toEqual({ puts: 1.4, deletes: 0.7 });
    const heat = rates.heat(startMs + 9000, 2, 10);
    expect(heat.map((row) => `${row.prefix} ${row.total} ${row.counts.slice(-6).join(',')}`)).toEqual([
      '/registry/pods/ 20 0,4,4,4,4,4',
      '/registry/services/ 10 0,2,2,2,2,2',
    ]);
    expect(rates.heat(startMs + 9000, 3, 1).map((row) => row.prefix)).toEqual(['/registry/pods/default/']);
    expect(rates.all(startMs + 9000 + columnMs).counts.slice(-2)).toEqual([6, 0]);
    expect(rates.heat(startMs + 10_000 + columns * columnMs, 2, 10)).toEqual([]);
  });

  it('knows the prefixes of a key', () => {
    expect(heatPrefixes('/registry/pods/default/web-0')).toEqual(['/registry/pods/', '/registry/pods/default/']);
    expect(heatPrefixes('/registry/minions/worker-1')).toEqual(['/registry/minions/']);
    expect(heatPrefixes('compact_rev_key')).toEqual(['compact_rev_key']);
    expect(heatPrefixes('/drydock.io/record')).toEqual(['/drydock.io/record']);
  });
});
