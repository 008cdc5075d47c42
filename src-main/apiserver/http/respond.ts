import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { CancelledError, messageOf } from '#base/errors';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import { StatusError } from '#api/machinery/status';
import type { ApiResponse } from '../request.ts';
import { encodeObject, encodeWatchFrame } from './encoding.ts';
import type { Negotiated } from './negotiate.ts';
import { type TransformOptions, transformObject, watchTransformer } from './transform.ts';
import { drained, type Outgoing } from './wire.ts';

const gzipAsync = promisify(gzip);
/** Answers above this are compressed for clients that take gzip, as upstream does (128 KiB). */
const compressAboveBytes = 128 * 1024;

/** What the answer to one request needs to know of the request. */
export interface AnswerContext {
  readonly negotiated: Negotiated;
  readonly query: URLSearchParams;
  readonly head: boolean;
  readonly acceptEncoding: string;
  readonly auditId: string;
  /** Lab time, for the ages in tables. */
  readonly nowMs: () => number;
  readonly logger: Logger;
}

/** Headers that every answer carries. */
export function commonHeaders(auditId: string): Record<string, string> {
  return { 'audit-id': auditId, 'cache-control': 'no-cache, private' };
}

/** Writes `answer`; resolves when all of it is written or the client is gone. Throws nothing the client could be told. */
export async function respond(
  context: Context,
  response: Outgoing,
  answer: ApiResponse,
  about: AnswerContext,
): Promise<void> {
  switch (answer.kind) {
    case 'object':
      return respondObject(response, answer, about);
    case 'text': {
      const body = Buffer.from(answer.text);
      const headers = { 'content-type': answer.contentType, ...answer.headers };
      return send(response, answer.status, headers, body, about);
    }
    case 'bytes':
      return respondBytes(context, response, answer, about);
    case 'watch':
      return respondWatch(context, response, answer, about);
    case 'upgrade':
      throw new StatusError('BadRequest', 'Upgrade request required');
  }
}

/** Writes a Status; whatever is no StatusError is a bug here and leaves as an InternalError. */
export function respondError(response: Outgoing, error: unknown, auditId: string): void {
  const status = statusErrorOf(error);
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = encodeObject(status.toStatus());
  const headers: Record<string, string> = { ...commonHeaders(auditId), 'content-type': 'application/json' };
  headers['content-length'] = String(body.length);
  // Clients repeat by themselves what carries this header: a refused eviction must not, `kubectl drain` tells of it.
  const retryAfter = status.details?.retryAfterSeconds;
  if (retryAfter !== undefined) headers['retry-after'] = String(retryAfter);
  response.writeHead(status.code, headers);
  response.end(body);
}

export function statusErrorOf(error: unknown): StatusError {
  if (error instanceof StatusError) return error;
  if (error instanceof CancelledError) {
    const text =
      'the server was unable to return a response in the time allotted, but may still be processing the request';
    return new StatusError(
      'Timeout',
      `Timeout: request did not complete within the allotted timeout (${text})`,
      {},
      { cause: error },
    );
  }
  const causes = [{ message: messageOf(error) }];
  return new StatusError('InternalError', `Internal error occurred: ${messageOf(error)}`, { causes }, { cause: error });
}

async function respondObject(
  response: Outgoing,
  answer: Extract<ApiResponse, { kind: 'object' }>,
  about: AnswerContext,
): Promise<void> {
  const object = transformObject(answer.object, transformOptions(about));
  const { format } = about.negotiated;
  const body = format === 'yaml' ? await encodeYaml(object) : encodeObject(object);
  return send(response, answer.status, { 'content-type': `application/${format}`, ...answer.headers }, body, about);
}

function transformOptions({ negotiated, query, nowMs }: AnswerContext): TransformOptions {
  return { to: negotiated.transform, query, nowMs };
}

async function encodeYaml(object: unknown): Promise<Buffer> {
  const { stringify } = await import('yaml');
  return Buffer.from(stringify(object, { aliasDuplicateObjects: false, lineWidth: 0 }));
}

async function send(
  response: Outgoing,
  status: number,
  extra: Readonly<Record<string, string>>,
  body: Buffer,
  about: AnswerContext,
): Promise<void> {
  const headers: Record<string, string> = { ...commonHeaders(about.auditId), ...extra };
  let bytes = body;
  if (body.length > compressAboveBytes && /\bgzip\b/.test(about.acceptEncoding)) {
    bytes = await gzipAsync(body, { level: 1 });
    headers['content-encoding'] = 'gzip';
    headers['vary'] = 'Accept-Encoding';
  }
  if (status !== 304) headers['content-length'] = String(bytes.length);
  if (response.destroyed) return;
  response.writeHead(status, headers);
  if (about.head || status === 304) response.end();
  else response.end(bytes);
}

async function respondBytes(
  context: Context,
  response: Outgoing,
  answer: Extract<ApiResponse, { kind: 'bytes' }>,
  about: AnswerContext,
): Promise<void> {
  response.writeHead(answer.status, { ...commonHeaders(about.auditId), 'content-type': answer.contentType });
  response.flushHeaders();
  for await (const chunk of untilEnded(context, answer.chunks)) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await drained(response);
  }
  response.end();
}

async function respondWatch(
  context: Context,
  response: Outgoing,
  answer: Extract<ApiResponse, { kind: 'watch' }>,
  about: AnswerContext,
): Promise<void> {
  response.writeHead(200, { ...commonHeaders(about.auditId), 'content-type': 'application/json' });
  response.flushHeaders();
  const writer = new FrameWriter(response);
  for await (const frame of watchFrames(context, answer, about)) {
    if (response.destroyed) return;
    await writer.write(frame);
  }
  writer.flush();
  response.end();
}

/** The encoded frames of a watch; an error in its midst becomes a last frame of type ERROR. */
export async function* watchFrames(
  context: Context,
  answer: Extract<ApiResponse, { kind: 'watch' }>,
  about: AnswerContext,
): AsyncGenerator<Buffer> {
  const transform = watchTransformer(transformOptions(about));
  try {
    for await (const { type, object } of untilEnded(context, answer.events))
      yield encodeWatchFrame(type, transform(type, object));
  } catch (error) {
    const status = statusErrorOf(error);
    if (status.reason === 'InternalError') about.logger.error('watch failed', { error: messageOf(error) });
    yield encodeWatchFrame('ERROR', status.toStatus());
  }
}

/** `items` until `context` ends, which ends them quietly even where their source throws because of it. */
async function* untilEnded<T>(context: Context, items: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    for await (const item of items) {
      if (context.ended) return;
      yield item;
    }
  } catch (error) {
    if (!(context.ended && error instanceof CancelledError)) throw error;
  }
}

/** Gathers the frames that are ready in one turn into one write to the socket. */
class FrameWriter {
  readonly #response: Outgoing;
  #corked = false;

  constructor(response: Outgoing) {
    this.#response = response;
  }

  async write(frame: Buffer): Promise<void> {
    if (!this.#corked) {
      this.#corked = true;
      this.#response.cork();
      process.nextTick(() => this.flush());
    }
    if (this.#response.write(frame)) return;
    this.flush();
    await drained(this.#response);
  }

  flush(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#response.uncork();
  }
}
