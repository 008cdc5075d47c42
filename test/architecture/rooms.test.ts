import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { allows, anywhereRooms, arrows, electronRooms, typesOnly } from './arrows.mjs';

const root = join(import.meta.dirname, '../..');
const main = join(root, 'src-main');

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return name === 'gen' ? [] : sources(path);
    return /\.(ts|svelte)$/.test(name) && !/\.(test|d)\.ts$/.test(name) ? [path] : [];
  });
}

interface Import {
  readonly file: string;
  readonly room: string;
  readonly target: string;
  readonly typeOnly: boolean;
}

function importsOf(file: string, base: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const room = relative(base, file).split('/')[0] ?? '';
  const found: Import[] = [];
  const pattern =
    /^\s*(import|export)\s+(type\s)?(?:[^'"]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/gm;
  for (const match of text.matchAll(pattern)) {
    const target = match[3] ?? match[4] ?? '';
    found.push({ file: relative(root, file), room, target, typeOnly: match[2] !== undefined });
  }
  return found;
}

const files = sources(main);
const imports = files.flatMap((file) => importsOf(file, main));

describe('rooms of src-main', () => {
  it('are all in the table of arrows', () => {
    const rooms = readdirSync(main).filter((name) => statSync(join(main, name)).isDirectory());
    expect(rooms.filter((room) => !(room in arrows))).toEqual([]);
    expect(files.length).toBeGreaterThan(20);
  });

  it('import only along the arrows', () => {
    const wrong = imports
      .filter((one) => one.target.startsWith('#') && one.room in arrows)
      .filter((one) => !allows(one.room, one.target.slice(1)))
      .map((one) => `${one.file} -> ${one.target}`);
    expect(wrong).toEqual([]);
  });

  it('leave their folder only through an alias', () => {
    const wrong = imports
      .filter((one) => one.target.startsWith('.') && one.room in arrows)
      .filter((one) => {
        const target = relative(main, join(root, one.file, '..', one.target));
        return target.split('/')[0] !== one.room;
      })
      .map((one) => `${one.file} -> ${one.target}`);
    expect(wrong).toEqual([]);
  });

  it('keep controllers apart from each other', () => {
    const wrong = imports
      .filter((one) => one.room === 'controller-manager')
      .filter((one) => {
        const from = one.file.split('/').slice(2);
        const path = one.target.startsWith('#')
          ? one.target.slice(1)
          : relative(main, join(root, one.file, '..', one.target));
        const to = path.split('/');
        if (to[0] !== 'controller-manager' || to.length < 3 || from.length < 3) return false;
        return to[1] !== from[1];
      });
    expect(wrong.map((one) => `${one.file} -> ${one.target}`)).toEqual([]);
  });

  it('import electron only where windows live', () => {
    const wrong = imports.filter((one) => one.target === 'electron' || one.target.startsWith('electron/'));
    expect(
      wrong
        .filter((one) => !electronRooms.includes(one.room) && one.file !== 'src-main/index.ts')
        .map((one) => one.file),
    ).toEqual([]);
  });

  it('run anywhere where they promise to', () => {
    const wrong = imports.filter((one) => anywhereRooms.includes(one.room) && one.target.startsWith('node:'));
    expect(wrong.map((one) => `${one.file} -> ${one.target}`)).toEqual([]);
  });

  it('give the contract types only', () => {
    const wrong = imports.filter(
      (one) =>
        typesOnly.includes(one.room) &&
        one.target.startsWith('#') &&
        !one.target.startsWith('#contract') &&
        !one.typeOnly,
    );
    expect(wrong.map((one) => `${one.file} -> ${one.target}`)).toEqual([]);
  });

  it('have no cycles between files', () => {
    expect(findCycle(files)).toBeUndefined();
  });
});

describe('time and chance', () => {
  it('come from base only', () => {
    const pattern = /\bDate\.now\(|\bnew Date\(\)|\bsetTimeout\(|\bsetInterval\(|\bMath\.random\(|\bsetImmediate\(/;
    const wrong = files
      .filter((file) => !relative(main, file).startsWith('base/'))
      .filter((file) =>
        readFileSync(file, 'utf8')
          .split('\n')
          .some((line) => pattern.test(line) && !/^\s*(\*|\/\/)/.test(line)),
      )
      .map((file) => relative(root, file));
    expect(wrong).toEqual([]);
  });
});

describe('rooms of src-renderer', () => {
  const renderer = join(root, 'src-renderer');
  const order = ['ui', 'ipc', 'state', 'features'];
  const rendererImports = sources(renderer).flatMap((file) => importsOf(file, renderer));

  it('point from features to state to ipc, and to ui', () => {
    const allowed: Record<string, string[]> = {
      ui: [],
      ipc: [],
      state: ['ipc'],
      features: ['state', 'ui'],
    };
    const wrong = rendererImports
      .filter((one) => order.includes(one.room) && one.target.startsWith('.'))
      .filter((one) => {
        const to = relative(renderer, join(root, one.file, '..', one.target)).split('/')[0] ?? '';
        return to !== one.room && order.includes(to) && !allowed[one.room]?.includes(to);
      })
      .map((one) => `${one.file} -> ${one.target}`);
    expect(wrong).toEqual([]);
  });

  it('never let a feature import its sister', () => {
    const wrong = rendererImports
      .filter((one) => one.room === 'features' && one.target.startsWith('.'))
      .filter((one) => {
        const to = relative(renderer, join(root, one.file, '..', one.target)).split('/');
        return to[0] === 'features' && to[1] !== relative(renderer, join(root, one.file)).split('/')[1];
      })
      .map((one) => `${one.file} -> ${one.target}`);
    expect(wrong).toEqual([]);
  });
});

function findCycle(all: readonly string[]): string | undefined {
  const known = new Set(all);
  const edges = new Map<string, string[]>();
  for (const file of all) {
    const targets = importsOf(file, main)
      .filter((one) => !one.typeOnly && /^[.#]/.test(one.target))
      .map((one) =>
        one.target.startsWith('#') ? join(main, `${one.target.slice(1)}.ts`) : join(file, '..', one.target),
      );
    edges.set(
      file,
      targets.filter((target) => known.has(target)),
    );
  }
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string | undefined => {
    if (path.includes(file))
      return [...path.slice(path.indexOf(file)), file].map((f) => relative(root, f)).join(' -> ');
    if (done.has(file)) return undefined;
    path.push(file);
    for (const next of edges.get(file) ?? []) {
      const cycle = visit(next);
      if (cycle) return cycle;
    }
    path.pop();
    done.add(file);
    return undefined;
  };
  for (const file of all) {
    const cycle = visit(file);
    if (cycle) return cycle;
  }
  return undefined;
}
