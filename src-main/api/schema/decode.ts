import { formatTime } from '#base/clock';
import { formatGroupVersion, type GroupVersionKind, type KubeObject } from '../machinery/object.ts';
import { StatusError } from '../machinery/status.ts';
import { isDroppedWhenZero } from './zero-values.ts';
import { goType, jsonType } from './go-types.ts';
import { canonicalQuantity, quantityError } from './quantity.ts';
import { schemaOf } from './registry.ts';
import type { TypeSchema } from './types.ts';

/** What to do about fields that the schema does not have (`fieldValidation` of a write). */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** What a body is expected to be. A row of the resource table is one. */
export interface DecodeTarget extends GroupVersionKind {
  /** OpenAPI name. */
  readonly schema: string;
}

export interface Decoded {
  /** Pruned to the schema, nulls and empty optional values dropped, quantities and times in canonical spelling. */
  readonly object: KubeObject;
  /** With `Warn`: one `unknown field "spec.foo"` a field that was dropped. */
  readonly warnings: readonly string[];
}

/** A value that cannot be of its type. The message is what Go's decoder says. */
class DecodeError extends Error {}

interface Walk {
  readonly unknown: string[];
}

/** Where the walk is: the model and dotted field path for Go's message, the indexed path for strict errors. */
interface Place {
  readonly struct: string;
  readonly fields: string;
  readonly path: string;
}

/**
 * Reads a body as `target`. Throws StatusError BadRequest for another kind, a value of the wrong type and, with `Strict`,
 * fields the schema does not have; the texts are those of kube-apiserver (release 1.36).
 */
export function decodeObject(
  body: unknown,
  target: DecodeTarget,
  fieldValidation: FieldValidation = 'Ignore',
): Decoded {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new StatusError(
      'BadRequest',
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${jsonType(body)} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    );
  }
  const record = body as Readonly<Record<string, unknown>>;
  checkKind(record, target);
  const walk: Walk = { unknown: [] };
  const apiVersion = formatGroupVersion(target);
  const typed =
    record['apiVersion'] === apiVersion && record['kind'] === target.kind
      ? record
      : { ...record, apiVersion, kind: target.kind };
  const object = decodeTyped(typed, target, walk);
  if (fieldValidation === 'Strict' && walk.unknown.length > 0) {
    throw badRequest(target, `strict decoding error: ${walk.unknown.join(', ')}`);
  }
  const complete = (object as { metadata?: unknown }).metadata === undefined ? { ...object, metadata: {} } : object;
  return { object: complete as KubeObject, warnings: fieldValidation === 'Warn' ? walk.unknown : [] };
}

function checkKind(record: Readonly<Record<string, unknown>>, target: DecodeTarget): void {
  const expected = formatGroupVersion(target);
  const { apiVersion, kind } = record;
  if (apiVersion !== undefined && apiVersion !== '' && apiVersion !== expected) {
    throw new StatusError(
      'BadRequest',
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${expected})`,
    );
  }
  if (kind !== undefined && kind !== '' && kind !== target.kind) {
    throw new StatusError(
      'BadRequest',
      `${String(kind)} in version ${JSON.stringify(target.version)} cannot be handled as a ${target.kind}: no kind ${JSON.stringify(String(kind))} is expected here`,
    );
  }
}

function badRequest(target: DecodeTarget, text: string): StatusError {
  const { kind, version } = target;
  return new StatusError(
    'BadRequest',
    `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${text}`,
  );
}

function decodeTyped(record: Readonly<Record<string, unknown>>, target: DecodeTarget, walk: Walk): object {
  try {
    return decodeModel(record, target.schema, walk, '', '');
  } catch (error) {
    if (error instanceof DecodeError) throw badRequest(target, error.message);
    throw error;
  }
}

function decodeModel(
  record: Readonly<Record<string, unknown>>,
  schema: string,
  walk: Walk,
  fields: string,
  path: string,
): object {
  const model = schemaOf(schema);
  let copy: Record<string, unknown> | undefined;
  for (const [key, value] of Object.entries(record)) {
    const type = Object.hasOwn(model.fields, key) ? model.fields[key] : undefined;
    const at = path === '' ? key : `${path}.${key}`;
    let next: unknown;
    if (!type) walk.unknown.push(`unknown field ${JSON.stringify(at)}`);
    else if (value !== null && value !== undefined) {
      next = decodeValue(value, type, walk, {
        struct: schema,
        fields: fields === '' ? key : `${fields}.${key}`,
        path: at,
      });
      if (isDroppedWhenZero(schema, key, type, next, model.required)) next = undefined;
    }
    if (next === value) continue;
    copy ??= { ...record };
    if (next === undefined) delete copy[key];
    else copy[key] = next;
  }
  return copy ?? record;
}

function decodeValue(value: unknown, type: TypeSchema, walk: Walk, place: Place): unknown {
  switch (type.kind) {
    case 'any':
      return value;
    case 'string':
    case 'bytes':
      return typeof value === 'string'
        ? type.kind === 'bytes'
          ? decodeBytes(value)
          : value
        : fail(value, type, place);
    case 'boolean':
      return typeof value === 'boolean' ? value : fail(value, type, place);
    case 'int32':
    case 'int64':
      return Number.isInteger(value) && inRange(value as number, type.kind) ? value : fail(value, type, place);
    case 'double':
      return typeof value === 'number' ? value : fail(value, type, place);
    case 'intOrString':
      return typeof value === 'string' || Number.isInteger(value) ? value : fail(value, type, place);
    case 'quantity':
      return decodeQuantity(value);
    case 'time':
    case 'microTime':
      return typeof value === 'string' ? decodeTime(value, type.kind) : fail(value, type, place);
    case 'list':
      return Array.isArray(value) ? decodeList(value, type.items, walk, place) : fail(value, type, place);
    case 'map':
      return isRecord(value) ? decodeMap(value, type.values, walk, place) : fail(value, type, place);
    case 'ref':
      return isRecord(value) ? decodeModel(value, type.ref, walk, place.fields, place.path) : fail(value, type, place);
  }
}

function decodeList(list: readonly unknown[], items: TypeSchema, walk: Walk, place: Place): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (const [index, value] of list.entries()) {
    const at = { ...place, path: `${place.path}[${index}]` };
    const next = value === null ? zero(items) : decodeValue(value, items, walk, at);
    if (next === value) continue;
    copy ??= [...list];
    copy[index] = next;
  }
  return copy ?? list;
}

function decodeMap(map: Readonly<Record<string, unknown>>, values: TypeSchema, walk: Walk, place: Place): object {
  let copy: Record<string, unknown> | undefined;
  for (const [key, value] of Object.entries(map)) {
    const next =
      value === null ? zero(values) : decodeValue(value, values, walk, { ...place, path: `${place.path}.${key}` });
    if (next === value) continue;
    copy ??= { ...map };
    copy[key] = next;
  }
  return copy ?? map;
}

function zero(type: TypeSchema): unknown {
  if (type.kind === 'list') return [];
  if (type.kind === 'map' || type.kind === 'ref') return {};
  if (type.kind === 'boolean') return false;
  if (type.kind === 'quantity') return '0';
  return type.kind === 'int32' || type.kind === 'int64' || type.kind === 'double' ? 0 : '';
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const inRange = (value: number, kind: 'int32' | 'int64'): boolean => kind === 'int64' || Math.abs(value) <= 0x7fff_ffff;

function fail(value: unknown, type: TypeSchema, place: Place): never {
  const struct = place.struct.slice(place.struct.lastIndexOf('.') + 1);
  const what = type.kind === 'int32' || type.kind === 'int64' ? jsonType(value, true) : jsonType(value);
  throw new DecodeError(
    `json: cannot unmarshal ${what} into Go struct field ${struct}.${place.fields} of type ${goType(type)}`,
  );
}

function decodeQuantity(value: unknown): string {
  const canonical =
    typeof value === 'string' || typeof value === 'number' ? canonicalQuantity(String(value).trim()) : undefined;
  if (canonical === undefined) throw new DecodeError(quantityError);
  return canonical;
}

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function decodeBytes(value: string): string {
  const text = /[\r\n]/.test(value) ? value.replace(/[\r\n]/g, '') : value;
  if (base64.test(text)) return text;
  const bad = /[^A-Za-z0-9+/=]/.exec(text)?.index ?? text.length - (text.length % 4);
  throw new DecodeError(`illegal base64 data at input byte ${bad}`);
}

const canonicalTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;
const canonicalMicro = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d+))?(?:Z|[+-]\d\d:\d\d)$/;

function decodeTime(value: string, kind: 'time' | 'microTime'): string {
  if ((kind === 'time' ? canonicalTime : canonicalMicro).test(value)) return value;
  const match = rfc3339.exec(value);
  const epochMs = match ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(epochMs)) {
    const layout = kind === 'time' ? '2006-01-02T15:04:05Z07:00' : '2006-01-02T15:04:05.000000Z07:00';
    throw new DecodeError(
      `parsing time ${JSON.stringify(value)} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(value)} as "2006"`,
    );
  }
  const seconds = formatTime(epochMs);
  return kind === 'time' ? seconds : seconds.replace('Z', `.${(match?.[1] ?? '').padEnd(6, '0').slice(0, 6)}Z`);
}
