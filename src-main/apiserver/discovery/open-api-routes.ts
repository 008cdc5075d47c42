import { createHash } from 'node:crypto';
import { StatusError } from '#api/machinery/status';
import { openApiV2, openApiV3, openApiV3Index } from '#api/openapi/documents';
import { parseAccept } from '../http/negotiate.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';

interface Rendered {
  readonly text: string;
  /** Upper-case hex, in quotes: an ETag. */
  readonly etag: string;
}

const yearMs = 365 * 86_400_000;
/** The second is the first in a valid form; answers bear it whichever was asked for. */
const protobufAnswer = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const protobufTypes = ['application/com.github.proto-openapi.spec.v2@v1.0+protobuf', protobufAnswer];

/**
 * `/openapi/v2`, `/openapi/v3` and the documents below it (`kube-openapi` handlers, release 1.36). Documents are made when they
 * are first asked for: they are megabytes that many labs never read.
 */
export class OpenApiRoutes {
  readonly #version: string;
  readonly #rendered = new Map<string, Promise<Rendered | undefined>>();
  #protobuf: Promise<Uint8Array> | undefined;

  /** `version`: what the documents call the server's version. */
  constructor(version: string) {
    this.#version = version;
  }

  async handle(request: ApiRequest, rest: readonly string[]): Promise<ApiResponse | undefined> {
    const [version, ...path] = rest;
    if (version !== 'v2' && version !== 'v3') return undefined;
    if (negotiateDocument(request.headers['accept'], version) === 'protobuf') {
      if (path.length > 0) return undefined;
      this.#protobuf ??= this.#encodeV2();
      return { kind: 'bytes', status: 200, contentType: protobufAnswer, chunks: once(await this.#protobuf) };
    }
    if (version === 'v3' && path.length === 0) {
      return { kind: 'object', status: 200, object: openApiV3Index(this.#version) };
    }
    const document = await this.#document(version === 'v2' ? 'v2' : path.join('/'));
    return document && answer(request, document);
  }

  async #encodeV2(): Promise<Uint8Array> {
    const { encodeOpenApiV2 } = await import('./open-api-protobuf.ts');
    return encodeOpenApiV2(await openApiV2(this.#version));
  }

  #document(path: string): Promise<Rendered | undefined> {
    let rendered = this.#rendered.get(path);
    if (!rendered) {
      rendered = this.#render(path);
      this.#rendered.set(path, rendered);
    }
    return rendered;
  }

  async #render(path: string): Promise<Rendered | undefined> {
    const [root, group = '', version = ''] = path.split('/');
    const core = root === 'api';
    const document =
      path === 'v2'
        ? await openApiV2(this.#version)
        : await openApiV3(core ? '' : group, core ? group : version, this.#version);
    if (document === undefined) return undefined;
    const text = JSON.stringify(document);
    return { text, etag: `"${createHash('sha512').update(text).digest('hex').toUpperCase()}"` };
  }
}

function answer(request: ApiRequest, { text, etag }: Rendered): ApiResponse {
  const contentType = 'application/json';
  const headers: Record<string, string> = { etag, vary: 'Accept' };
  // A URL with a hash means one content for ever: the index gives another one when the content changes.
  if (request.query.get('hash')) headers['cache-control'] = `public, max-age=${yearMs / 1000}, immutable`;
  if (request.headers['if-none-match'] === etag) return { kind: 'text', status: 304, contentType, text: '', headers };
  return { kind: 'text', status: 200, contentType, text, headers };
}

/** Throws NotAcceptable. Protobuf is spoken for v2, which kubectl takes in no other form; v3 it takes as JSON. */
function negotiateDocument(accept: string | undefined, version: string): 'json' | 'protobuf' {
  const clauses = parseAccept(accept ?? '');
  if (clauses.length === 0) return 'json';
  for (const { type } of clauses) {
    if (['application/json', 'application/*', '*/*'].includes(type)) return 'json';
    if (version === 'v2' && protobufTypes.includes(type)) return 'protobuf';
  }
  throw new StatusError('NotAcceptable', 'only the following media types are accepted: application/json');
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}
