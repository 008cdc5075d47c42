import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StoreTree } from './store-tree.view-model.ts';

const entry = (key: string, modRevision = 1) => ({ key, modRevision, size: 10 });

describe('StoreTree', () => {
  it('shows open branches, in key order, with how many keys they hold', () => {
    const tree = new StoreTree();
    for (const key of ['/registry/pods/default/web-1', '/registry/pods/default/web-0', '/registry/leases/a/b'])
      tree.put(entry(key));
    const open = new Set(['/registry/', '/registry/pods/', '/registry/pods/default/']);
    expect(tree.rows(open).map((row) => `${' '.repeat(row.depth)}${row.label} ${row.keys}`)).toEqual([
      'registry 3',
      ' leases 1',
      ' pods 2',
      '  default 2',
      '   web-0 1',
      '   web-1 1',
    ]);
    expect(tree.rows(new Set(), 'WEB-1').map((row) => row.label)).toEqual(['registry', 'pods', 'default', 'web-1']);
  });

  it('holds what a plain map holds, whatever is put and deleted', () => {
    const key = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
      .map((parts) => `/${parts.join('/')}`);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), key)), (steps) => {
        const tree = new StoreTree();
        const model = new Map<string, number>();
        steps.forEach(([put, name], revision) => {
          if (put) {
            tree.put(entry(name, revision));
            model.set(name, revision);
          } else {
            tree.delete(name);
            model.delete(name);
          }
        });
        expect(tree.size).toBe(model.size);
        for (const [name, revision] of model) expect(tree.get(name)?.modRevision).toBe(revision);
        const all = new Set(['/a/', '/b/', '/c/'].flatMap((x) => [x, `${x}a/`, `${x}b/`, `${x}c/`]));
        const shown = tree.rows(all).flatMap((row) => (row.entry ? [row.entry.key] : []));
        expect([...shown].sort()).toEqual([...model.keys()].sort());
      }),
    );
  });
});
