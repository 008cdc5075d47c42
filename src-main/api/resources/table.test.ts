import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { schemaOf } from '../schema/registry.ts';
import { findResource, findResourceByKind, resourceTable, servedGroups, storageKey } from './table.ts';

describe('the resource table', () => {
  test('every row has a schema and its own plural', () => {
    for (const row of resourceTable) expect(schemaOf(row.schema).fields).toHaveProperty('kind');
    expect(new Set(resourceTable.map((row) => `${row.group}/${row.plural}`)).size).toBe(resourceTable.length);
  });

  test.each([
    ['', 'pods', 'default', 'a', '/registry/pods/default/a'],
    ['', 'services', 'default', 'a', '/registry/services/specs/default/a'],
    ['', 'endpoints', 'default', 'a', '/registry/services/endpoints/default/a'],
    ['', 'nodes', '', 'n', '/registry/minions/n'],
    ['events.k8s.io', 'events', 'default', 'e', '/registry/events/default/e'],
    ['coordination.k8s.io', 'leases', 'kube-node-lease', 'n', '/registry/leases/kube-node-lease/n'],
    ['rbac.authorization.k8s.io', 'clusterroles', '', 'r', '/registry/clusterroles/r'],
  ])('%s %s is stored as Kubernetes stores it', (group, plural, namespace, name, key) => {
    const row = findResource(group, 'v1', plural);
    expect(row && storageKey(row, namespace, name)).toBe(key);
  });

  test('finds rows by kind and lists groups once', () => {
    expect(findResourceByKind({ group: 'apps', version: 'v1', kind: 'Deployment' })?.plural).toBe('deployments');
    expect([...servedGroups().keys()].slice(0, 2)).toEqual(['', 'apps']);
  });
});

describe('printer columns', () => {
  const reference = 'printer_columns.tsv';
  const path = new URL(`../../../../shared/reference/${reference}`, import.meta.url);
  const lines = read(path);
  test.skipIf(lines === undefined)('are those of kube-apiserver', () => {
    for (const line of lines ?? []) {
      const [kind, , , columns = ''] = line.split('\t');
      for (const row of resourceTable.filter((one) => one.kind === kind)) {
        const ours = row.columns.map((one) => `${one.name}:${one.type}${one.priority ? ':wide' : ''}`).join('; ');
        expect(`${kind}: ${ours}`).toBe(`${kind}: ${columns}`);
      }
    }
  });
});

function read(path: URL): string[] | undefined {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(1);
  } catch (error) {
    if (process.env['CI']) throw error;
    console.warn(`skipped: ${path.pathname} is not there`);
    return undefined;
  }
}
