import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { CancelledError, messageOf } from '#base/errors';
import { deepFreeze } from '#base/freeze';
import { StatusError } from '#api/machinery/status';
import { describeJsonError } from './json-syntax.ts';

/** Upstream's limit on what a client may send in one request, decompressed (3 MiB). */
export const maxBodyBytes = 3 * 1024 * 1024;

const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];
const protobufType = 'application/vnd.kubernetes.protobuf';
const objectTypes = ['application/json', 'application/yaml', protobufType];
const gunzipAsync = promisify(gunzip);

export interface DecodedBody {
  /** Frozen; undefined when there was no body. */
  readonly value: unknown;
  readonly contentType: string;
}

export interface BodySource {
  readonly method: string;
  /** What the path takes, for error texts; empty when the path names no kind. */
  readonly kind: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly stream: Readable;
}

/**
 * Reads and decodes a request's body. Throws StatusError: RequestEntityTooLarge, UnsupportedMediaType, or BadRequest with
 * upstream's texts when it cannot be parsed.
 */
export async function readBody(source: BodySource): Promise<DecodedBody> {
  const { method, headers } = source;
  const contentType = mediaTypeOf(headers['content-type'], method);
  if (method === 'GET' || method === 'HEAD') return { value: undefined, contentType };
  if (Number(headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge();
  const raw = await collect(source.stream);
  if (raw.length === 0 && method !== 'POST' && method !== 'PUT') return { value: undefined, contentType };
  const accepted = method === 'PATCH' ? patchTypes : objectTypes;
  if (!accepted.includes(contentType)) throw unsupported(accepted);
  if (raw.length === 0) return { value: undefined, contentType };
  const bytes = headers['content-encoding'] === 'gzip' ? await decompress(raw) : raw;
  return { value: deepFreeze(await parse(source, contentType, bytes)), contentType };
}

function parse(source: BodySource, contentType: string, bytes: Buffer): unknown {
  if (contentType === protobufType) return parseProtobuf(source, bytes);
  return contentType.endsWith('yaml') ? parseYaml(bytes) : parseJson(source, bytes);
}

/** Loaded when the first Go client comes along. */
async function parseProtobuf(source: BodySource, bytes: Buffer): Promise<unknown> {
  const { decodeProtobuf } = await import('./protobuf/decode.ts');
  try {
    return decodeProtobuf(bytes);
  } catch (cause) {
    throw unrecognized(source, messageOf(cause), bytes, cause);
  }
}

function mediaTypeOf(header: string | undefined, method: string): string {
  const type = (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type !== '') return type;
  return method === 'PATCH' ? '' : 'application/json';
}

/** By events, not by iterating: an iterator a request costs as much as parsing a small body, and ends the stream on throwing. */
function collect(stream: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new CancelledError('cancelled', 'the client went away'));
    if (stream.destroyed) return gone();
    const parts: Buffer[] = [];
    let length = 0;
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBodyBytes) parts.push(chunk);
      else reject(tooLarge());
    });
    stream.once('end', () => {
      const [only] = parts;
      resolve(parts.length === 1 && only ? only : Buffer.concat(parts));
    });
    stream.once('error', reject);
    stream.once('close', gone);
  });
}

async function decompress(bytes: Buffer): Promise<Buffer> {
  try {
    return await gunzipAsync(bytes, { maxOutputLength: maxBodyBytes });
  } catch (cause) {
    if (cause instanceof RangeError) throw tooLarge();
    throw new StatusError('BadRequest', `the body could not be decompressed: ${messageOf(cause)}`, undefined, {
      cause,
    });
  }
}

function parseJson(source: BodySource, bytes: Buffer): unknown {
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    const problem = describeJsonError(text);
    if (source.method === 'PATCH')
      throw new StatusError('BadRequest', `error decoding patch: ${problem}`, undefined, { cause });
    throw unrecognized(source, `couldn't get version/kind; json parse error: ${problem}`, bytes, cause);
  }
}

function unrecognized({ kind }: BodySource, problem: string, bytes: Buffer, cause: unknown): StatusError {
  const expected = kind ? ` (must be of type ${kind})` : '';
  const text = `the object provided is unrecognized${expected}: ${problem} (${summary(bytes)})`;
  return new StatusError('BadRequest', text, undefined, { cause });
}

async function parseYaml(bytes: Buffer): Promise<unknown> {
  const text = bytes.toString('utf8');
  // kubectl sends its apply patches as JSON, which is YAML too and far quicker to read.
  if (text.trimStart().startsWith('{')) {
    try {
      return JSON.parse(text);
    } catch {
      // Flow-style YAML: the YAML parser below has the last word, and the error text.
    }
  }
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { version: '1.1', uniqueKeys: true });
  const [problem] = document.errors;
  if (problem) {
    const line = problem.linePos?.[0].line ?? 1;
    throw new StatusError('BadRequest', `error decoding YAML: line ${line}: ${problem.message.split('\n')[0] ?? ''}`);
  }
  return document.toJS({ maxAliasCount: 100 });
}

/** What upstream quotes of a body it cannot read: its beginning, in hex unless it looks like JSON. */
function summary(bytes: Buffer): string {
  if (bytes.length === 0) return '<empty>';
  const start = bytes.subarray(0, 30);
  return (bytes[0] === 0x7b ? start.toString('utf8') : start.toString('hex')) + (bytes.length > 30 ? ' ...' : '');
}

function tooLarge(): StatusError {
  return new StatusError('RequestEntityTooLarge', `Request entity too large: limit is ${maxBodyBytes}`);
}

function unsupported(accepted: readonly string[]): StatusError {
  const list = accepted.join(', ');
  return new StatusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${list}`,
  );
}
