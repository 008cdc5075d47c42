import { patchMediaTypes } from '../patch/apply-patch.ts';
import type { ResourceDefinition, Subresource } from '../resources/definition.ts';
import { findModel, schemaName } from '../schema/registry.ts';
import { patchSchema, refTo, type Dialect, type Json } from './schemas.ts';

/** Paths and operations of a resource, in either form of OpenAPI. */

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';
export const deleteOptionsSchema = `${meta}DeleteOptions`;
export const statusSchema = `${meta}Status`;

const mediaTypes = ['application/json', 'application/yaml'];

interface Parameter {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean';
  readonly description: string;
}

const parameter = (name: string, type: Parameter['type'], description: string): Parameter => ({
  name,
  type,
  description,
});

const pretty = parameter('pretty', 'string', "If 'true', then the output is pretty printed.");
const writeParameters = [
  parameter('dryRun', 'string', 'When present, nothing is persisted. The only valid value is All.'),
  parameter('fieldManager', 'string', 'The name under which changed fields are tracked.'),
  parameter('fieldValidation', 'string', 'What to do about unknown fields: Ignore, Warn or Strict.'),
];
const force = parameter('force', 'boolean', 'Takes fields from other managers on conflict. Only for apply patches.');
const listParameters = [
  parameter('allowWatchBookmarks', 'boolean', 'Asks a watch for events of type BOOKMARK.'),
  parameter('continue', 'string', 'Where the previous page of a list ended.'),
  parameter('fieldSelector', 'string', 'Restricts the list by fields.'),
  parameter('labelSelector', 'string', 'Restricts the list by labels.'),
  parameter('limit', 'integer', 'The most items of one page.'),
  parameter('resourceVersion', 'string', 'How fresh the answer must be.'),
  parameter('resourceVersionMatch', 'string', 'How resourceVersion is applied to lists.'),
  parameter('sendInitialEvents', 'boolean', 'Starts a watch with what is there.'),
  parameter('timeoutSeconds', 'integer', 'Ends a list or watch after this time.'),
  parameter('watch', 'boolean', 'Watches for changes instead of listing.'),
];
const deleteParameters = [
  parameter('dryRun', 'string', 'When present, nothing is persisted. The only valid value is All.'),
  parameter('gracePeriodSeconds', 'integer', 'Seconds the object has to end by itself.'),
  parameter('propagationPolicy', 'string', 'What becomes of dependents: Orphan, Background or Foreground.'),
];

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

interface Operation {
  readonly method: Method;
  readonly action: string;
  readonly id: string;
  readonly about: string;
  readonly parameters: readonly Parameter[];
  /** Schema name of the body. */
  readonly body?: string;
  readonly answer: string;
  readonly kind: Json;
}

/** `Core`, `Apps`, `RbacAuthorization`: how operation ids name a group. */
function groupTitle(group: string): string {
  const title = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
  return group === ''
    ? 'Core'
    : group
        .replace(/\.k8s\.io$/, '')
        .split('.')
        .map(title)
        .join('');
}

const tagOf = ({ group, version }: ResourceDefinition): string =>
  `${groupTitle(group).replace(/^./, (first) => first.toLowerCase())}_${version}`;

function asV3(operation: Operation, tag: string): Json {
  const { method, body } = operation;
  const content = (types: readonly string[], schema: string) =>
    Object.fromEntries(types.map((type) => [type, { schema: refTo(schema, 'v3') }]));
  const types = method === 'patch' ? patchMediaTypes : ['*/*'];
  return {
    tags: [tag],
    description: operation.about,
    operationId: operation.id,
    parameters: operation.parameters.map(({ name, type, description }) => ({
      name,
      in: 'query',
      description,
      schema: { type, uniqueItems: true },
    })),
    ...(body ? { requestBody: { content: content(types, body), required: method !== 'delete' } } : {}),
    responses: {
      200: { description: 'OK', content: content(mediaTypes, operation.answer) },
      401: { description: 'Unauthorized' },
    },
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.kind,
  };
}

function asV2(operation: Operation, tag: string): Json {
  const { method, body } = operation;
  const query = operation.parameters.map(({ name, type, description }) => ({
    name,
    in: 'query',
    description,
    type,
    uniqueItems: true,
  }));
  const bodyParameter = body
    ? [{ name: 'body', in: 'body', required: method !== 'delete', schema: refTo(body, 'v2') }]
    : [];
  return {
    consumes: method === 'patch' ? patchMediaTypes : ['*/*'],
    description: operation.about,
    operationId: operation.id,
    parameters: [...bodyParameter, ...query],
    produces: mediaTypes,
    responses: {
      200: { description: 'OK', schema: refTo(operation.answer, 'v2') },
      401: { description: 'Unauthorized' },
    },
    schemes: ['https'],
    tags: [tag],
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': operation.kind,
  };
}

function pathItem(row: ResourceDefinition, path: string, operations: readonly Operation[], dialect: Dialect): Json {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
  const text =
    dialect === 'v3' ? { schema: { type: 'string', uniqueItems: true } } : { type: 'string', uniqueItems: true };
  const inPath = names.map((name) => ({
    name,
    in: 'path',
    required: true,
    description:
      name === 'name' ? `name of the ${row.kind}` : 'object name and auth scope, such as for teams and projects',
    ...text,
  }));
  const render = dialect === 'v3' ? asV3 : asV2;
  return {
    ...Object.fromEntries(operations.map((operation) => [operation.method, render(operation, tagOf(row))])),
    parameters: [...inPath, { name: pretty.name, in: 'query', description: pretty.description, ...text }],
  };
}

/** The prefix of a group version: `/api/v1`, `/apis/apps/v1`. */
export const groupVersionPath = (group: string, version: string): string =>
  group === '' ? `/api/${version}` : `/apis/${group}/${version}`;

function collectionOperations(row: ResourceDefinition, scope: string): readonly Operation[] {
  const kind = { group: row.group, version: row.version, kind: row.kind };
  const title = `${groupTitle(row.group)}${row.version.replace(/^./, 'V')}`;
  const list = `${row.schema}List`;
  const common = { kind };
  return [
    {
      ...common,
      method: 'get',
      action: 'list',
      id: `list${title}${scope}${row.kind}`,
      about: `list or watch objects of kind ${row.kind}`,
      parameters: listParameters,
      answer: list,
    },
    {
      ...common,
      method: 'post',
      action: 'post',
      id: `create${title}${scope}${row.kind}`,
      about: `create a ${row.kind}`,
      parameters: writeParameters,
      body: row.schema,
      answer: row.schema,
    },
    {
      ...common,
      method: 'delete',
      action: 'deletecollection',
      id: `delete${title}Collection${scope}${row.kind}`,
      about: `delete collection of ${row.kind}`,
      parameters: [...deleteParameters, ...listParameters.filter(({ name }) => /Selector|limit|continue/.test(name))],
      body: deleteOptionsSchema,
      answer: statusSchema,
    },
  ];
}

function itemOperations(row: ResourceDefinition, scope: string): readonly Operation[] {
  const kind = { group: row.group, version: row.version, kind: row.kind };
  const title = `${groupTitle(row.group)}${row.version.replace(/^./, 'V')}${scope}${row.kind}`;
  const { schema } = row;
  return [
    {
      kind,
      method: 'get',
      action: 'get',
      id: `read${title}`,
      about: `read the specified ${row.kind}`,
      parameters: [],
      answer: schema,
    },
    {
      kind,
      method: 'put',
      action: 'put',
      id: `replace${title}`,
      about: `replace the specified ${row.kind}`,
      parameters: writeParameters,
      body: schema,
      answer: schema,
    },
    {
      kind,
      method: 'patch',
      action: 'patch',
      id: `patch${title}`,
      about: `partially update the specified ${row.kind}`,
      parameters: [...writeParameters, force],
      body: patchSchema,
      answer: schema,
    },
    {
      kind,
      method: 'delete',
      action: 'delete',
      id: `delete${title}`,
      about: `delete a ${row.kind}`,
      parameters: deleteParameters,
      body: deleteOptionsSchema,
      answer: statusSchema,
    },
  ];
}

/** Schema name of what a subresource sends and answers; undefined for streams (exec, log), which have none. */
export function subresourceSchema(one: Subresource): string | undefined {
  const name = schemaName(one.group, one.version, one.kind);
  return findModel(name) && one.name !== 'log' ? name : undefined;
}

function subresourceOperations(row: ResourceDefinition, one: Subresource, scope: string): readonly Operation[] {
  const schema = subresourceSchema(one);
  if (!schema) return [];
  const kind = { group: one.group, version: one.version, kind: one.kind };
  const title = `${groupTitle(row.group)}${row.version.replace(/^./, 'V')}${scope}${row.kind}${one.name.replace(/^./, (first) => first.toUpperCase())}`;
  const about = `${one.name} of the specified ${row.kind}`;
  const operations: Readonly<Record<string, Operation>> = {
    get: {
      kind,
      method: 'get',
      action: 'get',
      id: `read${title}`,
      about: `read ${about}`,
      parameters: [],
      answer: schema,
    },
    create: {
      kind,
      method: 'post',
      action: 'post',
      id: `create${title}`,
      about: `create ${about}`,
      parameters: writeParameters,
      body: schema,
      answer: schema,
    },
    update: {
      kind,
      method: 'put',
      action: 'put',
      id: `replace${title}`,
      about: `replace ${about}`,
      parameters: writeParameters,
      body: schema,
      answer: schema,
    },
    patch: {
      kind,
      method: 'patch',
      action: 'patch',
      id: `patch${title}`,
      about: `partially update ${about}`,
      parameters: [...writeParameters, force],
      body: patchSchema,
      answer: schema,
    },
  };
  return one.verbs.flatMap((verb) => operations[verb] ?? []);
}

const verbOf: Readonly<Record<string, string>> = { post: 'create', put: 'update' };

/** Every path of a row with its operations. */
export function pathsOf(row: ResourceDefinition, dialect: Dialect): readonly (readonly [string, Json])[] {
  const scope = row.namespaced ? 'Namespaced' : '';
  const root = groupVersionPath(row.group, row.version);
  const collection = row.namespaced ? `${root}/namespaces/{namespace}/${row.plural}` : `${root}/${row.plural}`;
  const served = (operations: readonly Operation[]) =>
    operations.filter(({ action }) => row.verbs.some((verb) => verb === (verbOf[action] ?? action)));
  const all: (readonly [string, readonly Operation[]])[] = [
    [collection, served(collectionOperations(row, scope))],
    [`${collection}/{name}`, served(itemOperations(row, scope))],
    ...row.subresources.map(
      (one) => [`${collection}/{name}/${one.name}`, subresourceOperations(row, one, scope)] as const,
    ),
  ];
  if (row.namespaced && row.verbs.includes('list')) {
    const [list] = collectionOperations(row, '');
    if (list) all.push([`${root}/${row.plural}`, [{ ...list, id: `${list.id}ForAllNamespaces` }]]);
  }
  return all
    .filter(([, operations]) => operations.length > 0)
    .map(([path, operations]) => [path, pathItem(row, path, operations, dialect)]);
}
