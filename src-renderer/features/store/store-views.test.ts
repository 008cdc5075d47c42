import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StoreChange, StoreWatchers } from '#contract/store';
import { bytesOf, hexLine, hexLineCount } from './bytes.view-model.ts';
import { etcdctl, etcdctlShort } from './etcdctl.view-model.ts';
import { heatLevel } from './heat.view-model.ts';
import { managersOf } from './managers.view-model.ts';
import { Tail } from './tail.view-model.ts';
import { diffText, readable, type DiffRow } from './text-diff.view-model.ts';
import { apiWatchRows, busiestFirst, storeWatcherRows } from './watchers.view-model.ts';

describe('etcdctl lines', () => {
  it('carry the way to the store, quoted for a shell', () => {
    const access = { endpoint: 'https://127.0.0.1:2379', ca: '/my home/ca.crt', cert: '/c.crt', key: '/c.key' };
    expect(etcdctl(access, 'get', "/it's")).toBe(
      `etcdctl --endpoints=https://127.0.0.1:2379 '--cacert=/my home/ca.crt' --cert=/c.crt --key=/c.key get '/it'\\''s'`,
    );
    expect(etcdctlShort('get', '--prefix', '')).toBe("etcdctl get --prefix ''");
  });
});

describe('Tail', () => {
  const change = (revision: number, key = `/p/${revision % 3}/k${revision}`): StoreChange => ({
    ...{ revision, key, type: 'PUT', created: false, size: 1 },
  });
  const brief = (tail: Tail): string[] =>
    tail.rows.map((row) => (row.kind === 'change' ? String(row.change.revision) : `+${row.count}`));

  it('shows few changes whole and many as a sample that says how many it left out', () => {
    const tail = new Tail();
    tail.take([change(2), change(1)], 2);
    expect(brief(tail)).toEqual(['2', '1']);
    const many = Array.from({ length: 50 }, (_one, at) => change(100 - at));
    tail.take([...many, change(50, '/rare/x')], 51);
    expect(brief(tail)).toEqual(['100', '99', '98', '97', '96', '50', '+45', '2', '1']);
    expect(new Set(tail.rows.map((row) => row.id)).size).toBe(tail.rows.length);
  });

  it('leaves out the records that go with every write on a real etcd', () => {
    const tail = new Tail();
    tail.take([change(4), change(4, '/drydock.io/record'), change(3), change(3, '/drydock.io/record')], 4);
    tail.take([change(5, '/drydock.io/record')], 1);
    expect(brief(tail)).toEqual(['4', '3']);
  });

  it('never holds more than a screenful of screens', () => {
    const tail = new Tail();
    for (let revision = 0; revision < 1000; revision++) tail.take([change(revision)], 1);
    expect([tail.rows.length, brief(tail)[0]]).toEqual([400, '999']);
  });
});

describe('diffText', () => {
  const show = (rows: readonly DiffRow[]): string[] =>
    rows.map((row) =>
      row.kind === 'folded'
        ? `… ${row.lines} ${row.within}`
        : row.sign + row.pieces.map((piece) => (piece.changed ? `[${piece.text}]` : piece.text)).join(''),
    );

  it('marks the words that changed, and folds what is far away', () => {
    const object = (image: string, replicas: number) =>
      readable({ metadata: { name: 'web', resourceVersion: '7' }, a: 1, b: 2, c: 3, spec: { replicas, image } }, false);
    expect(show(diffText(object('nginx:1.27', 3), object('nginx:1.29', 3)))).toEqual([
      '… 4 b',
      ' c: 3',
      ' spec:',
      '   replicas: 3',
      '-  image: nginx:1.[27]',
      '+  image: nginx:1.[29]',
    ]);
  });

  it('leaves out what every write changes, unless all is wanted', () => {
    const at = (resourceVersion: string) => ({ metadata: { name: 'web', resourceVersion, managedFields: [{}] } });
    expect(diffText(readable(at('1'), false), readable(at('2'), false)).every((row) => row.kind === 'folded')).toBe(
      true,
    );
    expect(show(diffText(readable(at('1'), true), readable(at('2'), true)))).toContain('+  resourceVersion: "[2]"');
  });

  it('gives back both sides, whatever they are', () => {
    const text = fc
      .array(fc.constantFrom('a', 'b', 'c d', ''), { maxLength: 12 })
      .map((lines) => lines.map((one) => `${one}.\n`).join(''));
    fc.assert(
      fc.property(text, text, (before, after) => {
        const rows = diffText(before, after);
        const texts = (number: 'before' | 'after'): string[] =>
          rows.flatMap((row) =>
            row.kind === 'line' && row[number] !== undefined
              ? [`${row[number]} ${row.pieces.map((one) => one.text).join('')}`]
              : [],
          );
        const lines = (of: string) =>
          of
            .split('\n')
            .slice(0, -1)
            .map((one, at) => `${at + 1} ${one}`);
        const isFolded = rows.some((row) => row.kind === 'folded');
        if (!isFolded) expect([texts('before'), texts('after')]).toEqual([lines(before), lines(after)]);
        for (const one of texts('after')) expect(lines(after)).toContain(one);
        const signs = rows.filter((row) => row.kind === 'line' && row.sign !== ' ');
        expect(signs.length > 0).toBe(before !== after);
      }),
    );
  });
});

describe('managersOf', () => {
  it('names the fields that each manager holds', () => {
    const fieldsV1 = {
      'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
      'f:spec': {
        'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {} } },
        'f:finalizers': { 'v:"x"': {} },
      },
    };
    const entry = {
      manager: 'kubectl',
      operation: 'Apply',
      subresource: 'status',
      time: '2026-01-01T00:00:00Z',
      fieldsV1,
    };
    expect(managersOf({ metadata: { managedFields: [entry] } })).toEqual([
      {
        ...{ name: 'kubectl', how: 'Apply of status', atMs: Date.parse('2026-01-01T00:00:00Z') },
        fields: ['metadata.labels.app', 'spec.ports[80,TCP].port', 'spec.finalizers["x"]'],
      },
    ]);
    expect(managersOf('text')).toEqual([]);
  });
});

describe('bytes', () => {
  it('are shown as a hex dump', () => {
    const bytes = bytesOf(btoa('{"kind":"Pod"}\u0000\u00ff~!'));
    expect(hexLineCount(bytes)).toBe(2);
    expect(hexLine(bytes, 0)).toEqual({
      ...{ offset: '00000000', hex: '7b 22 6b 69 6e 64 22 3a  22 50 6f 64 22 7d 00 ff', text: '{"kind":"Pod"}..' },
    });
    expect(hexLine(bytes, 1)).toMatchObject({ offset: '00000010', text: '~!' });
    expect(hexLine(bytes, 1).hex).toHaveLength(48);
  });
});

describe('watchers', () => {
  const at = (nowMs: number, events: number, lagRevisions = 0): StoreWatchers => ({
    nowMs,
    complete: true,
    watchers: [
      { id: '1', name: 'a', key: '/registry/pods/', rangeEnd: '/registry/pods0', sinceMs: 0, events, lagRevisions },
      { id: '2', name: '', key: '\0', rangeEnd: '\0', sinceMs: 0, events: 9, lagRevisions: 0 },
    ],
    apiWatches: [
      {
        id: '7',
        resource: 'pods',
        namespace: 'shop',
        user: 'ann',
        userAgent: 'kubectl/v1 (x)',
        sinceMs: 0,
        events,
        queued: 3,
      },
    ],
  });

  it('have rates since the answer before, and who is behind comes first', () => {
    expect(storeWatcherRows(at(1000, 5), undefined)[0]?.perSecond).toBeUndefined();
    const rows = busiestFirst(storeWatcherRows(at(3000, 25, 4), at(1000, 5)));
    expect(rows.map((row) => [row.name, row.what, row.perSecond, row.behind])).toEqual([
      ['a', '/registry/pods/…', 10, 4],
      ['did not say its name', 'every key', 0, 0],
    ]);
    expect(apiWatchRows(at(3000, 25), at(1000, 5))[0]).toMatchObject({
      ...{ name: 'kubectl/v1 · ann', what: 'pods in shop', perSecond: 10, behind: 3 },
    });
  });
});

describe('heatLevel', () => {
  it('tells quiet from loud', () => {
    expect([0, 1, 3, 12, 80, 1000].map(heatLevel)).toEqual([0, 1, 2, 3, 4, 5]);
  });
});
