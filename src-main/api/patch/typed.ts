import { jsonEqual } from '#base/freeze';
import { fieldFacts, isAtomicModel, keyDefault } from '../schema/list-facts.ts';
import { findModel } from '../schema/registry.ts';
import type { TypeSchema } from '../schema/types.ts';
import { emptySet, leaf, node, type FieldSet } from './field-set.ts';
import { isObject } from './merge-patch.ts';

/** How a value of some type is owned: whole, entry by entry, or item by item. */
export type Shape =
  | { readonly kind: 'leaf' }
  /** A struct: its fields are known; only what they hold is owned. */
  | { readonly kind: 'struct'; readonly schema: string }
  | { readonly kind: 'map'; readonly values: TypeSchema }
  | { readonly kind: 'keyed'; readonly items: TypeSchema; readonly keys: readonly string[] }
  | { readonly kind: 'set' };

const whole: Shape = { kind: 'leaf' };

const shapes = new Map<string, Map<string, Shape>>();

/** The shape of `field` in the model `schema`; worked out once. */
function shapeOfField(schema: string, field: string): Shape {
  let known = shapes.get(schema);
  if (!known) shapes.set(schema, (known = new Map()));
  let shape = known.get(field);
  if (!shape) known.set(field, (shape = deriveShape(schema, field)));
  return shape;
}

function deriveShape(schema: string, field: string): Shape {
  const type = findModel(schema)?.fields[field];
  if (!type) return whole;
  const facts = fieldFacts(schema, field);
  switch (type.kind) {
    case 'ref':
      return facts?.type !== 'granular' && isAtomicModel(type.ref) ? whole : { kind: 'struct', schema: type.ref };
    case 'map':
      return facts?.type === 'atomic' ? whole : { kind: 'map', values: type.values };
    case 'list':
      if (facts?.type === 'map') return { kind: 'keyed', items: type.items, keys: facts.keys };
      return facts?.type === 'set' ? { kind: 'set' } : whole;
    default:
      return whole;
  }
}

function shapeOfType(type: TypeSchema): Shape {
  if (type.kind === 'ref') return isAtomicModel(type.ref) ? whole : { kind: 'struct', schema: type.ref };
  return type.kind === 'map' ? { kind: 'map', values: type.values } : whole;
}

/** The shape of the value that `element` leads to. */
function shapeBelow(shape: Shape, element: string): Shape {
  if (shape.kind === 'struct') return shapeOfField(shape.schema, element.slice(2));
  if (shape.kind === 'map') return shapeOfType(shape.values);
  return shape.kind === 'keyed' ? shapeOfType(shape.items) : whole;
}

/** The path element of an item of a keyed list or set. */
function itemElement(shape: Shape, item: unknown): string {
  if (shape.kind !== 'keyed') return `v:${JSON.stringify(item)}`;
  const record = isObject(item) ? item : {};
  const keys = [...shape.keys].sort().map((key) => [key, record[key] ?? keyDefault(key)] as const);
  return `k:${JSON.stringify(Object.fromEntries(keys.filter(([, value]) => value !== undefined)))}`;
}

/** The parts of a value by path element; undefined when the value is owned whole. */
function partsOf(value: unknown, shape: Shape): readonly (readonly [string, unknown])[] | undefined {
  if ((shape.kind === 'struct' || shape.kind === 'map') && isObject(value)) {
    return Object.entries(value)
      .filter(([, part]) => part !== undefined)
      .map(([key, part]) => [`f:${key}`, part]);
  }
  if ((shape.kind === 'keyed' || shape.kind === 'set') && Array.isArray(value)) {
    return value.map((item) => [itemElement(shape, item), item]);
  }
  return undefined;
}

const isEmptyObject = (value: unknown): boolean => isObject(value) && Object.keys(value).length === 0;

/** Every path that `value` sets. Entries of maps and items of lists are members themselves, fields of structs only when empty. */
export function fieldSetOf(value: unknown, shape: Shape): FieldSet {
  const parts = partsOf(value, shape);
  if (!parts) return leaf;
  const children = new Map<string, FieldSet>();
  for (const [element, part] of parts) {
    const below = fieldSetOf(part, shapeBelow(shape, element));
    const own = shape.kind !== 'struct' || isEmptyObject(part);
    children.set(element, own && !below.member ? { member: true, children: below.children } : below);
  }
  return { member: false, children };
}

/** What differs between two values of one type. */
export interface Comparison {
  /** Added or modified. */
  readonly changed: FieldSet;
  readonly removed: FieldSet;
}

const unchanged: Comparison = { changed: emptySet, removed: emptySet };

export function compare(before: unknown, after: unknown, shape: Shape): Comparison {
  if (before === after) return unchanged;
  if (before === undefined) return { changed: added(after, shape), removed: emptySet };
  if (after === undefined) return { changed: emptySet, removed: added(before, shape) };
  const keyed = shape.kind === 'struct' || shape.kind === 'map';
  if (keyed && isObject(before) && isObject(after)) return compareFields(before, after, shape);
  const [old, next] = [partsOf(before, shape), partsOf(after, shape)];
  if (old && next) return compareParts(new Map(old), new Map(next), shape);
  return jsonEqual(before, after) ? unchanged : { changed: leaf, removed: emptySet };
}

type Fields = Readonly<Record<string, unknown>>;

/** Only the fields that are not one and the same value on both sides are looked at: updates share what they leave alone. */
function compareFields(before: Fields, after: Fields, shape: Shape): Comparison {
  const old = new Map<string, unknown>();
  const next = new Map<string, unknown>();
  for (const key of Object.keys(after)) {
    if (after[key] === before[key]) continue;
    if (after[key] !== undefined) next.set(`f:${key}`, after[key]);
    if (before[key] !== undefined) old.set(`f:${key}`, before[key]);
  }
  for (const key of Object.keys(before)) if (!(key in after)) old.set(`f:${key}`, before[key]);
  return compareParts(old, next, shape);
}

function compareParts(old: ReadonlyMap<string, unknown>, next: ReadonlyMap<string, unknown>, shape: Shape): Comparison {
  if (old.size === 0 && next.size === 0) return unchanged;
  const changed = new Map<string, FieldSet>();
  const removed = new Map<string, FieldSet>();
  const isStruct = shape.kind === 'struct';
  for (const [element, part] of next) {
    const result = compare(old.get(element), part, shapeBelow(shape, element));
    changed.set(element, !old.has(element) && !isStruct ? { ...result.changed, member: true } : result.changed);
    removed.set(element, result.removed);
  }
  for (const [element, part] of old) {
    if (next.has(element)) continue;
    const gone = added(part, shapeBelow(shape, element));
    removed.set(element, isStruct ? gone : { ...gone, member: true });
  }
  return { changed: node(false, changed), removed: node(false, removed) };
}

/** All of a value that was not there before: a map or list counts itself too, a struct only when it is empty. */
function added(value: unknown, shape: Shape): FieldSet {
  const set = fieldSetOf(value, shape);
  return shape.kind === 'map' || isEmptyObject(value) ? { ...set, member: true } : set;
}

/** `live` with everything that `config` sets: maps and keyed lists merge, the rest is replaced. */
export function mergeConfig(live: unknown, config: unknown, shape: Shape): unknown {
  if (live === undefined || config === undefined) return config ?? live;
  const parts = partsOf(config, shape);
  const old = partsOf(live, shape);
  if (!parts || !old) return jsonEqual(live, config) ? live : config;
  const merged = new Map(old);
  for (const [element, part] of parts)
    merged.set(element, mergeConfig(merged.get(element), part, shapeBelow(shape, element)));
  return rebuilt(live, old, merged, shape);
}

/** Takes the members of `gone` out of `value`, with all that is below them. */
export function removeMembers(value: unknown, gone: FieldSet, shape: Shape): unknown {
  const parts = partsOf(value, shape);
  if (!parts || gone.children.size === 0) return value;
  const kept = new Map(parts);
  for (const [element, set] of gone.children) {
    if (!kept.has(element)) continue;
    if (set.member) kept.delete(element);
    else kept.set(element, removeMembers(kept.get(element), set, shapeBelow(shape, element)));
  }
  return rebuilt(value, parts, kept, shape);
}

function rebuilt(
  before: unknown,
  old: readonly (readonly [string, unknown])[],
  parts: ReadonlyMap<string, unknown>,
  shape: Shape,
): unknown {
  if (parts.size === old.length && old.every(([element, part]) => parts.get(element) === part)) return before;
  if (shape.kind === 'keyed' || shape.kind === 'set') return [...parts.values()];
  return Object.fromEntries([...parts].map(([element, part]) => [element.slice(2), part]));
}
