import { formatMicroTime, formatTime } from '#base/clock';
import facts from './wire-facts.json' with { type: 'json' };
import { readFields, WireError, type WireField } from './reader.ts';

/**
 * Turns what Go's typed clients send (`application/vnd.kubernetes.protobuf`) into the object that the same client would have
 * sent as JSON. kubectl creates, evicts and asks for reviews this way; it always takes JSON back.
 *
 * `wire-facts.json` says what is where: `core/v1.Volume` is `1:name:!string 2::core/v1.VolumeSource`, a field a word, as
 * `number:name:type`. Types: `*` marks what may be absent (so a zero counts), `!` what JSON always spells out, `[]` lists, `{}`
 * maps from strings; no name means that the fields within belong to the message itself. It was read from the types in the
 * kubectl 1.35 binary; the numbers never change, and a field that is not known is skipped, as protobuf has it.
 */
interface FieldFact {
  readonly name: string;
  readonly type: string;
  readonly keepsZero: boolean;
}

const messages = new Map<string, ReadonlyMap<number, FieldFact>>();
const envelopeMagic = Buffer.from('k8s\0');

/**
 * Throws {@link WireError} when the bytes are damaged. Of a kind that is not served only `kind` and `apiVersion` are read: the
 * registry refuses it as it does JSON, once it is clear that the path exists and the caller may use it.
 */
export function decodeProtobuf(bytes: Buffer): unknown {
  if (!bytes.subarray(0, 4).equals(envelopeMagic)) {
    throw new WireError('provided data does not appear to be a protobuf message, expected prefix 6b387300');
  }
  let apiVersion = '';
  let kind = '';
  let raw: Buffer = Buffer.alloc(0);
  for (const field of readFields(bytes.subarray(4))) {
    if (field.number === 2) raw = field.bytes;
    if (field.number !== 1) continue;
    for (const { number, bytes: text } of readFields(field.bytes)) {
      if (number === 1) apiVersion = text.toString('utf8');
      if (number === 2) kind = text.toString('utf8');
    }
  }
  const message = messageOf(apiVersion, kind);
  return { kind, apiVersion, ...(message === undefined ? {} : decodeMessage(message, raw)) };
}

/** `apps/v1` and `Deployment` are `apps/v1.Deployment`; options and Status are the same in every group. */
function messageOf(apiVersion: string, kind: string): string | undefined {
  const [first = '', second] = apiVersion.split('/');
  const own = second === undefined ? `core/${first}.${kind}` : `${first.split('.')[0] ?? ''}/${second}.${kind}`;
  return [own, `meta.${kind}`].find((name) => name in facts);
}

function factsOf(message: string): ReadonlyMap<number, FieldFact> {
  const known = messages.get(message);
  if (known) return known;
  const all: Readonly<Record<string, string>> = facts;
  const fields = new Map<number, FieldFact>();
  for (const word of (all[message] ?? '').split(' ')) {
    const [number = '', name = '', type = ''] = word.split(':');
    fields.set(Number(number), { name, type: type.replace('!', ''), keepsZero: type.startsWith('!') });
  }
  messages.set(message, fields);
  return fields;
}

function decodeMessage(message: string, bytes: Buffer): Record<string, unknown> {
  const fields = factsOf(message);
  const object: Record<string, unknown> = {};
  for (const field of readFields(bytes)) {
    const fact = fields.get(field.number);
    if (!fact) continue;
    const { name, type } = fact;
    requireWireType(fact, field);
    if (name === '') Object.assign(object, decodeMessage(type.replace('*', ''), field.bytes));
    else if (type.startsWith('[]')) (object[name] = listOf(object[name])).push(decodeValue(type.slice(2), field));
    else if (type.startsWith('{}')) addEntry((object[name] = mapOf(object[name])), type.slice(2), field.bytes);
    else put(object, fact, decodeValue(type.replace('*', ''), field));
  }
  return object;
}

/** Numbers and truths are varints, all else has a length; Kubernetes uses neither packed lists nor fixed-size numbers. */
function requireWireType({ name, type }: FieldFact, field: WireField): void {
  const wanted = /(^|[\]*])(int|bool)$/.test(type) ? 0 : 2;
  if (field.type !== wanted) throw new WireError(`wrong wireType = ${field.type} for field ${name || type}`);
}

/** Go writes the zero of every field that is not a pointer; JSON leaves most of them out. */
function put(object: Record<string, unknown>, { name, type, keepsZero }: FieldFact, value: unknown): void {
  const zero = value === '' || value === 0 || value === false || value === undefined || isEmpty(value);
  if (!zero || keepsZero || type.startsWith('*')) {
    if (value !== undefined) object[name] = value;
  }
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function mapOf(value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {};
}

/** One entry of a map is a message of its own: 1 is the key, 2 the value. Keys are the client's, `__proto__` too. */
function addEntry(map: object, type: string, bytes: Buffer): void {
  let key = '';
  let value: unknown = type === 'string' || type === 'bytes' ? '' : undefined;
  for (const field of readFields(bytes)) {
    if (field.number === 1) key = field.bytes.toString('utf8');
    if (field.number === 2) value = decodeValue(type, field);
  }
  Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
}

function decodeValue(type: string, field: WireField): unknown {
  const { bytes, varint } = field;
  switch (type) {
    case 'string':
      return bytes.toString('utf8');
    case 'bool':
      return varint !== 0n;
    case 'int':
      return Number(varint);
    case 'bytes':
      return bytes.toString('base64');
    case 'quantity':
      return firstText(bytes, 1) ?? '0';
    case 'items':
      return [...readFields(bytes)].map((item) => item.bytes.toString('utf8'));
    case 'intOrString':
      return decodeIntOrString(bytes);
    case 'raw':
      return decodeRaw(bytes);
    case 'time':
    case 'microTime':
      return decodeTime(type, bytes);
    default:
      return decodeMessage(type, bytes);
  }
}

function firstText(bytes: Buffer, number: number): string | undefined {
  for (const field of readFields(bytes)) if (field.number === number) return field.bytes.toString('utf8');
  return undefined;
}

/** 1 says which of the two it is, 2 is the number, 3 the text. */
function decodeIntOrString(bytes: Buffer): number | string {
  let isText = false;
  let number = 0;
  let text = '';
  for (const field of readFields(bytes)) {
    if (field.number === 1) isText = field.varint === 1n;
    if (field.number === 2) number = Number(field.varint);
    if (field.number === 3) text = field.bytes.toString('utf8');
  }
  return isText ? text : number;
}

function decodeRaw(bytes: Buffer): unknown {
  const text = firstText(bytes, 1);
  return text ? JSON.parse(text) : undefined;
}

/** Seconds and nanoseconds; an empty message is no time at all. */
function decodeTime(type: 'time' | 'microTime', bytes: Buffer): string | undefined {
  let [seconds, nanos, any] = [0, 0, false];
  for (const field of readFields(bytes)) {
    any = true;
    if (field.number === 1) seconds = Number(field.varint);
    if (field.number === 2) nanos = Number(field.varint);
  }
  if (!any) return undefined;
  if (type === 'time') return formatTime(seconds * 1000);
  const micros = String(Math.floor(nanos / 1000)).padStart(6, '0');
  return formatMicroTime(seconds * 1000).replace(/\.\d+Z$/, `.${micros}Z`);
}
