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

/**
 * `/openapi/v2`, `/openapi/v3` and the documents below it (`kube-openapi` handlers, release 1.36). Documents are made when they
 * are first asked for: they are megabytes that many labs never read.
 */
export class OpenApiRoutes {
  readonly #version: string;
  readonly #rendered = new Map<string, Promise<Rendered | undefined>>();

  /** `version`: what the documents call the server's version. */
  constructor(version: string) {
    this.#version = version;
  }

  async handle(request: ApiRequest, rest: readonly string[]): Promise<ApiResponse | undefined> {
    const [version, ...path] = rest;
    if (version !== 'v2' && version !== 'v3') return undefined;
    requireJson(request.headers['accept']);
    if (version === 'v3' && path.length === 0) {
      return { kind: 'object', status: 200, object: openApiV3Index(this.#version) };
    }
    const document = await this.#document(version === 'v2' ? 'v2' : path.join('/'));
    return document && answer(request, document);
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

/** Protobuf is not spoken: kubectl falls back to what it was built with. */
function requireJson(accept: string | undefined): void {
  const clauses = parseAccept(accept ?? '');
  const takesJson = clauses.some(({ type }) => ['application/json', 'application/*', '*/*'].includes(type));
  if (clauses.length > 0 && !takesJson) {
    throw new StatusError('NotAcceptable', 'only the following media types are accepted: application/json');
  }
}
