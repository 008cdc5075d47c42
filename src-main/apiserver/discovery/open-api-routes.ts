import { createHash } from 'node:crypto';
import { StatusError } from '#api/machinery/status';
import { parseAccept } from '../http/negotiate.ts';
import type { ApiRequest, ApiResponse } from '../request.ts';
import { groupVersionPaths } from './documents.ts';
import type { OpenApiDocuments } from './open-api.ts';

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
  readonly #load: () => Promise<OpenApiDocuments>;
  readonly #rendered = new Map<string, Promise<Rendered | undefined>>();

  constructor(load: () => Promise<OpenApiDocuments>) {
    this.#load = load;
  }

  async handle(request: ApiRequest, rest: readonly string[]): Promise<ApiResponse | undefined> {
    const [version, ...path] = rest;
    if (version !== 'v2' && version !== 'v3') return undefined;
    requireJson(request.headers['accept']);
    if (version === 'v3' && path.length === 0) return this.#index();
    const document = await this.#document(version === 'v2' ? 'v2' : path.join('/'));
    return document && answer(request, document);
  }

  async #index(): Promise<ApiResponse> {
    const paths: Record<string, unknown> = {};
    for (const path of groupVersionPaths()) {
      const hash = (await this.#document(path))?.etag.slice(1, -1) ?? '';
      paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` };
    }
    return { kind: 'object', status: 200, object: { paths } };
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
    const documents = await this.#load();
    const document = path === 'v2' ? documents.v2() : documents.v3(path);
    if (document === undefined) return undefined;
    const text = JSON.stringify(document);
    return { text, etag: `"${createHash('sha512').update(text).digest('hex').toUpperCase()}"` };
  }
}

function answer(request: ApiRequest, { text, etag }: Rendered): ApiResponse {
  const contentType = 'application/json';
  const headers: Record<string, string> = { etag, vary: 'Accept' };
  const hash = request.query.get('hash');
  // A URL that names the document's own hash never changes its meaning.
  if (hash && `"${hash}"` === etag) headers['cache-control'] = `public, max-age=${yearMs / 1000}, immutable`;
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
