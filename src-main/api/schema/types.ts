/** The vocabulary of the generated schema: a field's type is one of these small shared objects. */
export type TypeSchema =
  | { readonly kind: 'string' | 'boolean' | 'quantity' | 'intOrString' | 'any' | 'bytes' | 'time' | 'microTime' }
  | { readonly kind: 'int32' | 'int64' | 'double' }
  | { readonly kind: 'list'; readonly items: TypeSchema }
  | { readonly kind: 'map'; readonly values: TypeSchema }
  | { readonly kind: 'ref'; readonly ref: string };

export interface ModelSchema {
  readonly required: readonly string[];
  /** By the field's JSON name. */
  readonly fields: Readonly<Record<string, TypeSchema>>;
}

export const string: TypeSchema = { kind: 'string' };
export const boolean: TypeSchema = { kind: 'boolean' };
export const quantity: TypeSchema = { kind: 'quantity' };
export const intOrString: TypeSchema = { kind: 'intOrString' };
/** Any JSON: RawExtension, FieldsV1. */
export const any: TypeSchema = { kind: 'any' };
/** Base64 text. */
export const bytes: TypeSchema = { kind: 'bytes' };
export const time: TypeSchema = { kind: 'time' };
export const microTime: TypeSchema = { kind: 'microTime' };
export const int32: TypeSchema = { kind: 'int32' };
export const int64: TypeSchema = { kind: 'int64' };
export const double: TypeSchema = { kind: 'double' };

const refs = new Map<string, TypeSchema>();
const lists = new Map<TypeSchema, TypeSchema>();
const maps = new Map<TypeSchema, TypeSchema>();

/** A model by its OpenAPI name. Equal calls give the same object. */
export function ref(name: string): TypeSchema {
  return shared(refs, name, () => ({ kind: 'ref', ref: name }));
}

export function list(items: TypeSchema): TypeSchema {
  return shared(lists, items, () => ({ kind: 'list', items }));
}

export function map(values: TypeSchema): TypeSchema {
  return shared(maps, values, () => ({ kind: 'map', values }));
}

function shared<K>(known: Map<K, TypeSchema>, key: K, make: () => TypeSchema): TypeSchema {
  const existing = known.get(key);
  if (existing) return existing;
  const made = make();
  known.set(key, made);
  return made;
}
