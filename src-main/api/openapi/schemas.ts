import { fieldDocs } from './field-docs.ts';
import { fieldFacts, isAtomicModel } from '../schema/list-facts.ts';
import { findModel } from '../schema/registry.ts';
import type { TypeSchema } from '../schema/types.ts';

export type Docs = Readonly<
  Record<string, { readonly about: string; readonly fields: Readonly<Record<string, string>> }>
>;
export type Json = Readonly<Record<string, unknown>>;

/** The two forms of OpenAPI differ in where schemas live and in how a reference carries a description. */
export type Dialect = 'v2' | 'v3';

const machinery = 'io.k8s.apimachinery.pkg.';
const named = {
  quantity: `${machinery}api.resource.Quantity`,
  intOrString: `${machinery}util.intstr.IntOrString`,
  time: `${machinery}apis.meta.v1.Time`,
  microTime: `${machinery}apis.meta.v1.MicroTime`,
  fields: `${machinery}apis.meta.v1.FieldsV1`,
  raw: `${machinery}runtime.RawExtension`,
  patch: `${machinery}apis.meta.v1.Patch`,
} as const;

export const patchSchema = named.patch;

export function refTo(name: string, dialect: Dialect): Json {
  return { $ref: `${dialect === 'v2' ? '#/definitions/' : '#/components/schemas/'}${name}` };
}

/** Schemas that are no models: scalars with a name of their own. */
function namedScalar(name: string, dialect: Dialect): Json | undefined {
  const either = (description: string, numeric: string): Json =>
    dialect === 'v3'
      ? { description, oneOf: [{ type: 'string' }, { type: numeric }] }
      : { description, type: 'string' };
  switch (name) {
    case named.quantity:
      return either('A number with an optional SI, binary or exponent suffix.', 'number');
    case named.intOrString:
      return { ...either('A whole number or a string.', 'integer'), format: 'int-or-string' };
    case named.time:
      return { description: 'A time in RFC 3339, to the second.', type: 'string', format: 'date-time' };
    case named.microTime:
      return { description: 'A time in RFC 3339, to the microsecond.', type: 'string', format: 'date-time' };
    case named.fields:
      return { description: 'A set of fields as a trie: f: fields, k: list items by key, v: values.', type: 'object' };
    case named.raw:
      return { description: 'An object of any kind.', type: 'object' };
    case named.patch:
      return { description: 'A patch, in the form its media type says.', type: 'object' };
    default:
      return undefined;
  }
}

/** The OpenAPI name of the schema a type refers to, if it is a reference. */
function refName(type: TypeSchema, model: string): string | undefined {
  switch (type.kind) {
    case 'ref':
      return type.ref;
    case 'quantity':
    case 'intOrString':
    case 'time':
    case 'microTime':
      return named[type.kind];
    case 'any':
      return model.endsWith('.ManagedFieldsEntry') ? named.fields : named.raw;
    default:
      return undefined;
  }
}

function bareType(type: TypeSchema, model: string, dialect: Dialect): Json {
  const target = refName(type, model);
  if (target) {
    const reference = refTo(target, dialect);
    return dialect === 'v3' && type.kind === 'ref' ? { allOf: [reference], default: {} } : reference;
  }
  switch (type.kind) {
    case 'list':
      return { type: 'array', items: withDefault(bareType(type.items, model, dialect), type.items, dialect) };
    case 'map':
      return {
        type: 'object',
        additionalProperties: withDefault(bareType(type.values, model, dialect), type.values, dialect),
      };
    case 'int32':
    case 'int64':
      return { type: 'integer', format: type.kind };
    case 'double':
      return { type: 'number', format: 'double' };
    case 'boolean':
      return { type: 'boolean' };
    case 'bytes':
      return { type: 'string', format: 'byte' };
    default:
      return { type: 'string' };
  }
}

/** Version 3 documents say what an absent scalar counts as. */
function withDefault(schema: Json, type: TypeSchema, dialect: Dialect): Json {
  if (dialect === 'v2') return schema;
  if (type.kind === 'string') return { ...schema, default: '' };
  if (type.kind === 'int32' || type.kind === 'int64' || type.kind === 'double') return { ...schema, default: 0 };
  return type.kind === 'boolean' ? { ...schema, default: false } : schema;
}

/** List type, list keys, patch strategy and merge key of a field. */
function extensions(model: string, field: string, type: TypeSchema): Json {
  const facts = fieldFacts(model, field);
  const isItems = field === 'items' && model.endsWith('List');
  const listType =
    facts?.type ?? (type.kind === 'list' && !isItems && !model.endsWith('.APIResource') ? 'atomic' : undefined);
  const where = type.kind === 'list' ? 'x-kubernetes-list-type' : 'x-kubernetes-map-type';
  return {
    ...(listType ? { [where]: listType } : {}),
    ...(facts && facts.keys.length > 0 ? { 'x-kubernetes-list-map-keys': facts.keys } : {}),
    ...(facts && facts.strategies.length > 0 ? { 'x-kubernetes-patch-strategy': facts.strategies.join(',') } : {}),
    ...(facts?.mergeKey ? { 'x-kubernetes-patch-merge-key': facts.mergeKey } : {}),
  };
}

/** What is said of a field: what its model says, or what is said here of fields of that name, or what its type says. */
function describe(model: string, field: string, type: TypeSchema, docs: Docs): string | undefined {
  const own = docs[model]?.fields[field];
  if (own && type.kind !== 'intOrString') return own;
  return fieldDocs[field] ?? own ?? (type.kind === 'ref' ? docs[type.ref]?.about : undefined);
}

function property(
  model: string,
  field: string,
  type: TypeSchema,
  required: boolean,
  docs: Docs,
  dialect: Dialect,
): Json {
  const description = describe(model, field, type, docs);
  const target = refName(type, model);
  const bare =
    target && dialect === 'v3'
      ? { allOf: [refTo(target, dialect)], ...(type.kind === 'ref' ? { default: {} } : {}) }
      : bareType(type, model, dialect);
  const typed = required ? withDefault(bare, type, dialect) : bare;
  return { ...(description ? { description } : {}), ...typed, ...extensions(model, field, type) };
}

/** The schema named `name`, with the group, version and kind it is sent as, where it is sent. */
export function schemaDocument(name: string, kinds: readonly Json[], docs: Docs, dialect: Dialect): Json {
  const scalar = namedScalar(name, dialect);
  if (scalar) return scalar;
  const model = findModel(name);
  if (!model) return { type: 'object' };
  const properties = Object.entries(model.fields).map(([field, type]) => [
    field,
    property(name, field, type, model.required.includes(field), docs, dialect),
  ]);
  return {
    ...(docs[name]?.about ? { description: docs[name].about } : {}),
    type: 'object',
    ...(model.required.length > 0 ? { required: model.required } : {}),
    properties: Object.fromEntries(properties),
    ...(kinds.length > 0 ? { 'x-kubernetes-group-version-kind': kinds } : {}),
    ...(isAtomicModel(name) ? { 'x-kubernetes-map-type': 'atomic' } : {}),
  };
}

/** `roots` and every schema they reach. */
export function reachableSchemas(roots: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  const queue = [...roots];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    for (const type of Object.values(findModel(name)?.fields ?? {})) {
      const target = refName(innermost(type), name);
      if (target) queue.push(target);
    }
  }
  return seen;
}

function innermost(type: TypeSchema): TypeSchema {
  if (type.kind === 'list') return innermost(type.items);
  return type.kind === 'map' ? innermost(type.values) : type;
}
