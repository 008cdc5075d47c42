import { describe, expect, it } from 'vitest';
import { changeId, KeyIndex, putAt } from './key-index.ts';

/** The history drawn in key-index.ts. */
function example(): KeyIndex {
  const index = new KeyIndex();
  index.put('a', changeId(2, 0), 0n);
  index.put('a', changeId(5, 0), 0n);
  const entry = index.get('a');
  if (entry) index.delete(entry, changeId(6, 0));
  index.put('a', changeId(9, 0), 0n);
  return index;
}

describe('the key index', () => {
  it('finds the put that a read at a revision sees', () => {
    const entry = example().get('a');
    const found = [1, 2, 4, 5, 6, 8, 9, 99].map((at) => entry && putAt(entry, at));
    expect(found).toEqual([undefined, 2, 2, 5, undefined, undefined, 9, 9]);
    expect(entry).toMatchObject({ createRevision: 9, version: 1 });
  });

  it.each([
    [4, [2, 5, -6, 9]],
    [5, [5, -6, 9]],
    [6, [-6, 9]],
    [7, [9]],
    [9, [9]],
  ])('compacted at %i keeps %j', (line, ids) => {
    const index = example();
    index.compact('a', line);
    expect(index.get('a')?.ids).toEqual(ids);
  });

  it('forgets a deleted key once its tombstone is compacted', () => {
    const index = new KeyIndex();
    const entry = index.put('a', changeId(2, 0), 0n);
    index.delete(entry, changeId(3, 0));
    expect(index.live).toBe(0);
    index.compact('a', 3);
    expect(index.get('a')?.ids).toEqual([-3]);
    index.compact('a', 4);
    expect(index.get('a')).toBeUndefined();
  });

  it('takes changes back, newest first', () => {
    const index = new KeyIndex();
    index.put('a', changeId(2, 0), 7n);
    const before = { id: changeId(2, 0), createRevision: 2, version: 1, lease: 7n };
    const entry = index.get('a');
    if (entry) index.delete(entry, changeId(3, 0));
    index.undo('a', before);
    expect(index.get('a')).toEqual({ key: 'a', ids: [2], createRevision: 2, version: 1, lease: 7n });
    expect(index.live).toBe(1);
    index.undo('a', undefined);
    expect(index.get('a')).toBeUndefined();
    expect(index.live).toBe(0);
  });
});
