import { formatMicroTime, formatTime } from '#base/clock';
import { messageOf } from '#base/errors';
import { encodeBase64 } from '../machinery/base64.ts';
import { parseGroupVersion } from '../machinery/object.ts';
import { StatusError } from '../machinery/status.ts';
import { findModel, schemaName } from '../schema/registry.ts';
import type { ModelSchema, TypeSchema } from '../schema/types.ts';
import { fieldNumbers } from './field-numbers.ts';
import { readFields, WireError, type WireValue } from './wire.ts';

/**
 * Objects in the API's protobuf form, which kubectl (since 1.35) sends when it creates objects of built-in kinds:
 *
 *     "k8s\0"  Unknown { 1: TypeMeta { 1: apiVersion, 2: kind }, 2: raw bytes of the object }
 *
 * Only requests are read; answers are JSON, which every client that sends this accepts as well.
 */
export const protobufMediaType = 'application/vnd.kubernetes.protobuf';

const magic = [0x6b, 0x38, 0x73, 0];

/** The object as JSON would have it, to be given to `decodeObject`. Throws StatusError BadRequest. */
export function decodeProtobuf(body: Uint8Array): unknown {
  if (magic.some((byte, index) => body[index] !== byte)) {
    throw new StatusError(
      'BadRequest',
      'provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]',
    );
  }
  try {
    return decodeEnvelope(body.subarray(magic.length));
  } catch (cause) {
    if (!(cause instanceof WireError) && !(cause instanceof SyntaxError)) throw cause;
    throw new StatusError('BadRequest', `unable to decode the protobuf body: ${messageOf(cause)}`, undefined, {
      cause,
    });
  }
}

function decodeEnvelope(bytes: Uint8Array): unknown {
  const envelope = new Map(readFields(bytes));
  const typeMeta = new Map(readFields(asBytes(envelope.get(1))));
  const apiVersion = text(asBytes(typeMeta.get(1)));
  const kind = text(asBytes(typeMeta.get(2)));
  const { group, version } = parseGroupVersion(apiVersion);
  const schema = schemaName(group, version, kind);
  if (!findModel(schema)) {
    const message = `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme`;
    throw new StatusError('BadRequest', message);
  }
  return { ...decodeMessage(asBytes(envelope.get(2)), schema), apiVersion, kind };
}

function asBytes(value: WireValue | undefined): Uint8Array {
  if (value === undefined) return new Uint8Array();
  if (typeof value === 'bigint') throw new WireError('a number stands where a message belongs');
  return value;
}

const asNumber = (value: WireValue | undefined): number => {
  if (value instanceof Uint8Array) throw new WireError('a message stands where a number belongs');
  return Number(BigInt.asIntN(64, value ?? 0n));
};

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** `io.k8s.api.core.v1.Pod` as the table of field numbers spells it. */
const messageName = (schema: string): string => schema.replace(/^io\.k8s\.(apimachinery\.pkg\.apis|api)\./, '');

function decodeMessage(bytes: Uint8Array, schema: string): Record<string, unknown> {
  const model = findModel(schema);
  const out: Record<string, unknown> = {};
  if (model) decodeInto(out, bytes, messageName(schema), model);
  return out;
}

/** Fields that the table or the model do not know are passed over, as protobuf wants it. */
function decodeInto(out: Record<string, unknown>, bytes: Uint8Array, message: string, model: ModelSchema): void {
  const numbers = fieldNumbers().get(message);
  for (const [number, value] of readFields(bytes)) {
    const field = numbers?.get(number);
    if (!field) continue;
    if (field.inline) {
      decodeInto(out, asBytes(value), field.inline, model);
      continue;
    }
    const type = model.fields[field.name];
    if (type) add(out, field.name, value, type);
  }
}

function add(out: Record<string, unknown>, name: string, value: WireValue, type: TypeSchema): void {
  if (type.kind === 'list') {
    const before = out[name];
    out[name] = [...(Array.isArray(before) ? (before as readonly unknown[]) : []), ...decodeItems(value, type.items)];
  } else if (type.kind === 'map') {
    const before = out[name];
    const entry = new Map(readFields(asBytes(value)));
    const key = text(asBytes(entry.get(1)));
    out[name] = { ...(typeof before === 'object' ? before : {}), [key]: decodeMapValue(entry.get(2), type.values) };
  } else {
    const decoded = decodeValue(value, type);
    if (decoded !== undefined) out[name] = decoded;
  }
}

/** Numbers may come packed: many in one field. */
function decodeItems(value: WireValue, items: TypeSchema): readonly unknown[] {
  const numeric = items.kind === 'int32' || items.kind === 'int64' || items.kind === 'boolean';
  if (!numeric || typeof value === 'bigint') return [decodeValue(value, items)];
  const numbers: number[] = [];
  let current = 0n;
  let shift = 0n;
  for (const byte of value) {
    current |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte >= 128) continue;
    numbers.push(asNumber(current));
    current = 0n;
    shift = 0n;
  }
  return numbers;
}

/** A list inside a map is a message of its own: its items are field 1. */
function decodeMapValue(value: WireValue | undefined, type: TypeSchema): unknown {
  if (type.kind !== 'list') return decodeValue(value ?? new Uint8Array(), type);
  const items: unknown[] = [];
  for (const [, item] of readFields(asBytes(value))) items.push(...decodeItems(item, type.items));
  return items;
}

function decodeValue(value: WireValue, type: TypeSchema): unknown {
  switch (type.kind) {
    case 'string':
      return text(asBytes(value));
    case 'bytes':
      return encodeBase64(asBytes(value));
    case 'boolean':
      return asNumber(value) !== 0;
    case 'int32':
    case 'int64':
      return asNumber(value);
    case 'double':
      return new Float64Array(new BigUint64Array([typeof value === 'bigint' ? value : 0n]).buffer)[0];
    case 'quantity':
      return text(asBytes(new Map(readFields(asBytes(value))).get(1)));
    case 'intOrString':
      return decodeIntOrString(asBytes(value));
    case 'time':
    case 'microTime':
      return decodeTime(asBytes(value), type.kind);
    case 'any':
      return decodeRaw(asBytes(value));
    case 'ref':
      return decodeMessage(asBytes(value), type.ref);
    case 'list':
    case 'map':
      throw new WireError(`a ${type.kind} stands where a value belongs`);
  }
}

/** `{ 1: 0 for a number or 1 for text, 2: number, 3: text }`. */
function decodeIntOrString(bytes: Uint8Array): number | string {
  const fields = new Map(readFields(bytes));
  return asNumber(fields.get(1)) === 0 ? asNumber(fields.get(2)) : text(asBytes(fields.get(3)));
}

/** `{ 1: seconds, 2: nanoseconds }`; empty for no time at all. */
function decodeTime(bytes: Uint8Array, kind: 'time' | 'microTime'): string | undefined {
  const fields = new Map(readFields(bytes));
  if (!fields.has(1)) return undefined;
  const epochMs = asNumber(fields.get(1)) * 1000;
  if (kind === 'time') return formatTime(epochMs);
  const micros = Math.floor(asNumber(fields.get(2)) / 1000);
  return formatMicroTime(epochMs).replace('.000000Z', `.${String(micros).padStart(6, '0')}Z`);
}

/** JSON inside protobuf: `{ 1: bytes }`. */
function decodeRaw(bytes: Uint8Array): unknown {
  const raw = text(asBytes(new Map(readFields(bytes)).get(1)));
  return raw === '' ? undefined : (JSON.parse(raw) as unknown);
}
