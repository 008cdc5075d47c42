import { jsonEqual } from '#base/freeze';
import { fieldFacts, type FieldFacts } from '../schema/list-facts.ts';
import { findModel } from '../schema/registry.ts';
import type { TypeSchema } from '../schema/types.ts';
import { PatchError } from './json-patch.ts';
import { isObject } from './merge-patch.ts';

/**
 * Strategic merge patch (`strategicpatch` of k8s.io/apimachinery, release 1.36): objects merge, lists merge by the merge key
 * of their field or are replaced. Directives steer it:
 *
 *     $patch: replace | merge | delete        on an object, or as an item of a list
 *     $retainKeys: [a, b]                     drops every other key
 *     $deleteFromPrimitiveList/x: [v]         takes values out of list x
 *     $setElementOrder/x: [v, ...]            the order of list x afterwards
 */
type Json = Readonly<Record<string, unknown>>;

const directive = '$patch';
const retainKeys = '$retainKeys';
const deletePrefix = '$deleteFromPrimitiveList/';
const orderPrefix = '$setElementOrder/';

/** Applies `patch` to an object of the model `schema`. Shares what is unchanged. Throws PatchError. */
export function applyStrategicPatch(document: Json, patch: unknown, schema: string): Json {
  if (!isObject(patch)) throw new PatchError('a strategic merge patch must be an object');
  return mergeObject(document, patch, { kind: 'ref', ref: schema });
}

function mergeObject(original: Json, patch: Json, type: TypeSchema | undefined): Json {
  const how = patch[directive];
  if (how === 'replace') return cleaned(patch) as Json;
  if (how === 'delete') return {};
  if (how !== undefined && how !== 'merge') throw new PatchError(`Unknown patch type found: ${String(how)}`);
  const result: Record<string, unknown> = retained(original, patch);
  for (const [key, value] of Object.entries(patch)) {
    if (key === directive || key === retainKeys || key.startsWith(orderPrefix)) continue;
    if (key.startsWith(deletePrefix)) deleteValues(result, key.slice(deletePrefix.length), value);
    else if (value === null) delete result[key];
    else result[key] = mergeField(result[key], value, key, type, patch[orderPrefix + key]);
  }
  reorderUnpatched(result, original, patch, type);
  return result;
}

function retained(original: Json, patch: Json): Record<string, unknown> {
  const keep = patch[retainKeys];
  if (!Array.isArray(keep)) return { ...original };
  return Object.fromEntries(Object.entries(original).filter(([key]) => keep.includes(key)));
}

function deleteValues(result: Record<string, unknown>, key: string, values: unknown): void {
  const list = result[key];
  if (Array.isArray(list) && Array.isArray(values)) result[key] = list.filter((item) => !values.includes(item));
}

/** Orders lists that the patch orders without changing their items. */
function reorderUnpatched(
  result: Record<string, unknown>,
  original: Json,
  patch: Json,
  type: TypeSchema | undefined,
): void {
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(orderPrefix)) continue;
    const name = key.slice(orderPrefix.length);
    const [list, before] = [result[name], original[name]];
    if (name in patch || !Array.isArray(list) || !Array.isArray(order)) continue;
    result[name] = ordered(list, order, Array.isArray(before) ? before : [], factsOf(type, name)?.mergeKey ?? '');
  }
}

function factsOf(type: TypeSchema | undefined, field: string): FieldFacts | undefined {
  return type?.kind === 'ref' ? fieldFacts(type.ref, field) : undefined;
}

function fieldType(type: TypeSchema | undefined, field: string): TypeSchema | undefined {
  if (type?.kind === 'map') return type.values;
  return type?.kind === 'ref' ? findModel(type.ref)?.fields[field] : undefined;
}

function mergeField(
  before: unknown,
  patch: unknown,
  key: string,
  type: TypeSchema | undefined,
  order: unknown,
): unknown {
  const facts = factsOf(type, key);
  const own = fieldType(type, key);
  if (Array.isArray(patch)) {
    if (!facts?.strategies.includes('merge')) return patch;
    return mergeList(Array.isArray(before) ? before : [], patch, facts, itemType(own), order);
  }
  if (!isObject(patch)) return patch;
  if (!isObject(before) || facts?.strategies.includes('replace')) return cleaned(patch);
  return mergeObject(before, patch, own);
}

const itemType = (type: TypeSchema | undefined): TypeSchema | undefined =>
  type?.kind === 'list' ? type.items : undefined;

function mergeList(
  original: readonly unknown[],
  patch: readonly unknown[],
  facts: FieldFacts,
  items: TypeSchema | undefined,
  order: unknown,
): readonly unknown[] {
  const { mergeKey } = facts;
  const asked = Array.isArray(order) ? (order as readonly unknown[]) : undefined;
  if (mergeKey === '') {
    const all = [...new Set([...original, ...patch])];
    return ordered(all, asked ?? patch, original, '');
  }
  const plain = patch.filter((item) => !isObject(item) || item[directive] === undefined || item[directive] === 'merge');
  if (patch.some((item) => isObject(item) && item[directive] === 'replace')) return plain.map(cleaned);
  const merged = original.filter(
    (item) => !patch.some((one) => isObject(one) && one[directive] === 'delete' && sameKey(one, item, mergeKey)),
  );
  for (const item of plain) {
    if (!isObject(item) || item[mergeKey] === undefined) {
      throw new PatchError(`map: ${JSON.stringify(item)} does not contain declared merge key: ${mergeKey}`);
    }
    const at = merged.findIndex((one) => sameKey(one, item, mergeKey));
    const before = merged[at];
    if (at >= 0 && isObject(before)) merged[at] = mergeObject(before, item, items);
    else merged.push(cleaned(item));
  }
  return ordered(merged, asked ?? plain, original, mergeKey);
}

function sameKey(a: unknown, b: unknown, mergeKey: string): boolean {
  if (mergeKey === '') return a === b;
  return isObject(a) && isObject(b) && jsonEqual(a[mergeKey], b[mergeKey]);
}

/**
 * Items named by `order` in that order; the others keep theirs. Where the two meet, a named item goes first only when both
 * were in `server` and it stood before the other there.
 */
function ordered(
  items: readonly unknown[],
  order: readonly unknown[],
  server: readonly unknown[],
  mergeKey: string,
): readonly unknown[] {
  const rank = (list: readonly unknown[], item: unknown) => list.findIndex((one) => sameKey(one, item, mergeKey));
  const named = items.filter((item) => rank(order, item) >= 0).sort((a, b) => rank(order, a) - rank(order, b));
  const others = items.filter((item) => rank(order, item) < 0);
  const result: unknown[] = [];
  let i = 0;
  let j = 0;
  while (i < named.length && j < others.length) {
    const [left, right] = [rank(server, named[i]), rank(server, others[j])];
    result.push(left >= 0 && right >= 0 && left < right ? named[i++] : others[j++]);
  }
  return [...result, ...named.slice(i), ...others.slice(j)];
}

/** The value without directives and without the nulls that only mean "remove". */
function cleaned(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value
      .filter((item) => !isObject(item) || item[directive] === undefined || item[directive] === 'merge')
      .map(cleaned);
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(
        ([key, part]) =>
          !key.startsWith('$patch') &&
          !key.startsWith('$retainKeys') &&
          !key.startsWith('$setElementOrder/') &&
          !key.startsWith('$deleteFromPrimitiveList/') &&
          part !== null,
      )
      .map(([key, part]) => [key, cleaned(part)]),
  );
}
