/**
 * Objects on their way out. A frozen object is turned into bytes once and the bytes are kept beside it for as long as it
 * lives, so that ten thousand watchers of one pod cost one encoding. A list is its items' bytes strung together.
 *
 * ```
 * stored    {"kind":"Pod","apiVersion":"v1","metadata":{...},"spec":{...}}
 *           |<------- head ------->|
 * in list   {                       "metadata":{...},"spec":{...}}         items carry no kind, as upstream
 * in watch  {"type":"ADDED","object":<all of it>}\n
 * ```
 */
interface Encoded {
  readonly bytes: Buffer;
  /** Bytes of `"kind":...,"apiVersion":...,` after the opening brace. */
  readonly headLength: number;
}

const kept = new WeakMap<object, Encoded>();
const openBrace = Buffer.from('{');
const comma = Buffer.from(',');

/** The JSON of `value` as UTF-8. Frozen API objects (with kind and metadata) are kept; anything else is encoded afresh. */
export function encodeObject(value: unknown): Buffer {
  if (!isApiObject(value)) return Buffer.from(JSON.stringify(value));
  if (isList(value)) return encodeList(value);
  return encodeKept(value).bytes;
}

/** One frame of a watch, with its newline. */
export function encodeWatchFrame(type: string, object: unknown): Buffer {
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), encodeObject(object), frameEnd]);
}
const frameEnd = Buffer.from('}\n');

interface ApiObject {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly metadata: unknown;
}

function isApiObject(value: unknown): value is ApiObject {
  return typeof value === 'object' && value !== null && 'metadata' in value;
}

function isList(value: ApiObject): value is ApiObject & { readonly items: readonly unknown[] } {
  return 'items' in value && Array.isArray(value.items);
}

function encodeKept(object: ApiObject): Encoded {
  const found = kept.get(object);
  if (found) return found;
  const { kind, apiVersion, ...rest } = object;
  const head = headOf(kind, apiVersion);
  const encoded = {
    bytes: Buffer.from(`{${head}${JSON.stringify(rest).slice(1)}`),
    headLength: Buffer.byteLength(head),
  };
  // Bytes of something that may still change would go stale.
  if (Object.isFrozen(object)) kept.set(object, encoded);
  return encoded;
}

function headOf(kind: string | undefined, apiVersion: string | undefined): string {
  const kindPart = kind === undefined ? '' : `"kind":${JSON.stringify(kind)},`;
  return apiVersion === undefined ? kindPart : `${kindPart}"apiVersion":${JSON.stringify(apiVersion)},`;
}

function encodeList(list: ApiObject & { readonly items: readonly unknown[] }): Buffer {
  const { kind, apiVersion, metadata, items, ...rest } = list;
  const chunks: Uint8Array[] = [
    Buffer.from(`{${headOf(kind, apiVersion)}"metadata":${JSON.stringify(metadata)},"items":[`),
  ];
  // Only `List` itself holds items of several kinds, which must keep their names.
  const mixed = kind === 'List';
  items.forEach((item, index) => {
    if (index > 0) chunks.push(comma);
    if (!isApiObject(item)) chunks.push(Buffer.from(JSON.stringify(item)));
    else if (mixed) chunks.push(encodeKept(item).bytes);
    else {
      const { bytes, headLength } = encodeKept(item);
      chunks.push(openBrace, bytes.subarray(1 + headLength));
    }
  });
  const tail = JSON.stringify(rest);
  chunks.push(Buffer.from(tail === '{}' ? ']}' : `],${tail.slice(1)}`));
  return Buffer.concat(chunks);
}
