import type { ResourceDefinition } from '../resources/definition.ts';
import { resourceTable, servedGroups } from '../resources/table.ts';
import { findModel } from '../schema/registry.ts';
import { deleteOptionsSchema, groupVersionPath, pathsOf, statusSchema, subresourceSchema } from './paths.ts';
import { patchSchema, reachableSchemas, schemaDocument, type Dialect, type Docs, type Json } from './schemas.ts';

/** The documents of `/openapi/v3` and `/openapi/v2` (release 1.36). Field documentation is loaded with the first of them. */

const security = {
  type: 'apiKey',
  description: 'Bearer Token authentication',
  name: 'authorization',
  in: 'header',
} as const;

async function loadDocs(): Promise<Docs> {
  const { docs } = await import('../gen/docs.ts');
  return docs;
}

/** Schema names of what the rows send and answer, with their group, version and kind. */
function rootKinds(rows: readonly ResourceDefinition[]): ReadonlyMap<string, readonly Json[]> {
  const kinds = new Map<string, Json[]>();
  const add = (schema: string, group: string, version: string, kind: string): void => {
    if (!findModel(schema)) return;
    const known = kinds.get(schema) ?? [];
    if (!known.some((one) => one['group'] === group && one['kind'] === kind)) known.push({ group, version, kind });
    kinds.set(schema, known);
  };
  for (const { group, version, kind, schema, verbs, subresources } of rows) {
    add(schema, group, version, kind);
    if (verbs.includes('list')) add(`${schema}List`, group, version, `${kind}List`);
    for (const one of subresources) {
      const name = subresourceSchema(one);
      if (name) add(name, one.group, one.version, one.kind);
    }
    add(deleteOptionsSchema, group, version, 'DeleteOptions');
  }
  add(statusSchema, '', 'v1', 'Status');
  return kinds;
}

function schemasOf(rows: readonly ResourceDefinition[], docs: Docs, dialect: Dialect): Json {
  const kinds = rootKinds(rows);
  const names = [...reachableSchemas([...kinds.keys(), patchSchema])].sort();
  return Object.fromEntries(names.map((name) => [name, schemaDocument(name, kinds.get(name) ?? [], docs, dialect)]));
}

function pathsOfAll(rows: readonly ResourceDefinition[], dialect: Dialect): Json {
  const entries = rows.flatMap((row) => pathsOf(row, dialect));
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A short name for the content, which changes with the table: clients cache a document under it. */
function contentHash(rows: readonly ResourceDefinition[], version: string): string {
  const text =
    version + rows.map((row) => row.schema + row.verbs.join() + row.subresources.map(({ name }) => name).join()).join();
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (let i = 0; i < text.length; i++)
    hash = BigInt.asUintN(64, (hash ^ BigInt(text.charCodeAt(i))) * 0x100_0000_01b3n);
  return hash.toString(16).toUpperCase().padStart(16, '0').repeat(2);
}

const rowsOf = (group: string, version: string): readonly ResourceDefinition[] =>
  resourceTable.filter((row) => row.group === group && row.version === version);

/** `GET /openapi/v3`: where the document of each group version is. `serverVersion` is such as `v1.36.0`. */
export function openApiV3Index(serverVersion: string): object {
  const paths: Record<string, object> = {};
  for (const [group, versions] of servedGroups()) {
    for (const version of versions) {
      const path = groupVersionPath(group, version).slice(1);
      paths[path] = {
        serverRelativeURL: `/openapi/v3/${path}?hash=${contentHash(rowsOf(group, version), serverVersion)}`,
      };
    }
  }
  return { paths };
}

/** `GET /openapi/v3/api/v1` and `/openapi/v3/apis/<group>/<version>`; undefined when that is not served. */
export async function openApiV3(group: string, version: string, serverVersion: string): Promise<object | undefined> {
  const rows = rowsOf(group, version);
  if (rows.length === 0) return undefined;
  const docs = await loadDocs();
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: serverVersion },
    paths: pathsOfAll(rows, 'v3'),
    components: { schemas: schemasOf(rows, docs, 'v3'), securitySchemes: { BearerToken: security } },
  };
}

/** `GET /openapi/v2`: one document of everything. */
export async function openApiV2(serverVersion: string): Promise<object> {
  const docs = await loadDocs();
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: serverVersion },
    paths: pathsOfAll(resourceTable, 'v2'),
    definitions: schemasOf(resourceTable, docs, 'v2'),
    securityDefinitions: { BearerToken: security },
    security: [{ BearerToken: [] }],
  };
}
