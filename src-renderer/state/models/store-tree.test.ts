import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoreBranch, StoreChange, StoreKey, StoreLevel } from '#contract/store';
import { prefixesOf, StoreTree } from './store-tree.view-model.ts';

/** The host's part: one level of a plain map of keys. */
function levelOf(
  model: ReadonlyMap<string, number>,
  revision: number,
  prefix: string,
  from = '',
  limit = 1e9,
): StoreLevel {
  const entries: (StoreKey | StoreBranch)[] = [];
  for (const key of [...model.keys()].filter((one) => one.startsWith(prefix)).sort()) {
    const slash = key.indexOf('/', prefix.length + 1);
    const name = slash < 0 ? key : key.slice(0, slash + 1);
    const last = entries.at(-1);
    if (name < from) continue;
    if (last && 'prefix' in last && last.prefix === name)
      entries[entries.length - 1] = { prefix: name, keys: last.keys + 1 };
    else if (entries.length === limit) return { revision, entries, next: name };
    else entries.push(slash < 0 ? { key, modRevision: model.get(key) ?? 0 } : { prefix: name, keys: 1 });
  }
  return { revision, entries };
}

function show(tree: StoreTree, open: ReadonlySet<string>): string[] {
  const rows = tree.rows(open);
  return Array.from({ length: rows.length }, (_one, index) => {
    const row = rows.at(index);
    if (!row || row.kind === 'unread') return `${' '.repeat(row?.depth ?? 0)}…`;
    expect(rows.indexOf(row.path)).toBe(index);
    return `${' '.repeat(row.depth)}${row.label} ${row.kind === 'branch' ? row.keys : `@${row.modRevision}`}`;
  });
}

const change = (revision: number, key: string, type: 'PUT' | 'DELETE', created: boolean): StoreChange => ({
  ...{ revision, key, type, created, size: 1 },
});

describe('StoreTree', () => {
  const model = new Map(
    ['/registry/leases/a/b', '/registry/pods/default/web-0', '/registry/pods/default/web-1', 'name/x'].map(
      (key, at) => [key, at + 1],
    ),
  );

  it('shows the levels that were read, and says what is not', () => {
    const tree = new StoreTree();
    const open = new Set(['/registry/', '/registry/pods/']);
    expect(show(tree, open)).toEqual(['…']);
    tree.add('', undefined, levelOf(model, 9, ''), []);
    expect(show(tree, open)).toEqual(['registry 3', ' …', 'name 1']);
    tree.add('/registry/', undefined, levelOf(model, 9, '/registry/'), []);
    tree.add('/registry/pods/', undefined, levelOf(model, 9, '/registry/pods/'), []);
    expect(show(tree, open)).toEqual(['registry 3', ' leases 1', ' pods 2', '  default 2', 'name 1']);
  });

  it('reads a level in pages, each with what changed since', () => {
    const tree = new StoreTree();
    const prefix = '/registry/pods/default/';
    tree.add('', undefined, levelOf(model, 9, ''), []);
    for (const one of ['/registry/', '/registry/pods/']) tree.add(one, undefined, levelOf(model, 9, one), []);
    const first = levelOf(model, 9, prefix, '', 1);
    tree.add(prefix, undefined, first, []);
    const late = change(10, `${prefix}web-2`, 'PUT', true);
    tree.apply(late);
    const open = new Set(prefixesOf(`${prefix}x`));
    expect(show(tree, open)).toEqual([
      'registry 4',
      ' leases 1',
      ' pods 3',
      '  default 3',
      '   web-0 @2',
      '   …',
      'name 1',
    ]);
    // The second page was read before the change was made, and comes after it.
    tree.add(prefix, first.next, levelOf(model, 9, prefix, first.next), [late]);
    tree.add(prefix, first.next, levelOf(model, 9, prefix, first.next), [late]);
    expect(show(tree, open).slice(3, -1)).toEqual(['  default 3', '   web-0 @2', '   web-1 @3', '   web-2 @10']);
  });

  it('holds what a plain map holds, whatever is put and deleted after the levels were read', () => {
    const key = fc
      .array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 })
      .map((parts) => `/${parts.join('/')}`);
    const step = fc.record({ put: fc.boolean(), key, read: fc.integer({ min: 0, max: 12 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const tree = new StoreTree();
        const now = new Map<string, number>();
        const past: StoreChange[] = [];
        const prefixes = ['', ...'abc'].flatMap((x) =>
          x === '' ? [''] : [`/${x}/`, ...[...'abc'].map((y) => `/${x}/${y}/`)],
        );
        steps.forEach((one, at) => {
          const revision = at + 1;
          // A page is read at some revision of the past and comes with what was changed since.
          const prefix = prefixes[one.read];
          if (prefix !== undefined && !tree.has(prefix)) tree.add(prefix, undefined, levelOf(now, at, prefix), []);
          if (!one.put && !now.has(one.key)) return;
          const made = change(revision, one.key, one.put ? 'PUT' : 'DELETE', one.put && !now.has(one.key));
          if (one.put) now.set(one.key, revision);
          else now.delete(one.key);
          past.push(made);
          tree.apply(made);
        });
        for (const prefix of prefixes)
          if (!tree.has(prefix)) tree.add(prefix, undefined, levelOf(now, steps.length, prefix), []);
        const fresh = new StoreTree();
        for (const prefix of prefixes) fresh.add(prefix, undefined, levelOf(new Map(), 0, prefix), past);
        const open = new Set(prefixes);
        const expected = new StoreTree();
        for (const prefix of prefixes) expected.add(prefix, undefined, levelOf(now, steps.length, prefix), []);
        expect(show(tree, open)).toEqual(show(expected, open));
        expect(show(fresh, open)).toEqual(show(expected, open));
      }),
    );
  });
});
