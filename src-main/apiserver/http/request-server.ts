import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Clock } from '#base/clock';
import { parseCause } from '#base/cause';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import { StatusError } from '#api/machinery/status';
import { findResource } from '#api/resources/table';
import type { Authorizer } from '../auth/authorizer.ts';
import type { ClientCertificate, RequestAuthenticator } from '../auth/authenticator.ts';
import { clientCertificateOf, type PeerSocket } from '../auth/client-certificate.ts';
import { impersonate } from '../auth/impersonation.ts';
import type { ApiHandler, ApiRequest, ApiResponse, UserInfo } from '../request.ts';
import { negotiate } from './negotiate.ts';
import { readBody } from './request-body.ts';
import { isLongRunning, parseRequestInfo, type RequestInfo } from './request-info.ts';
import { type AnswerContext, respond, respondError } from './respond.ts';
import { type Incoming, outgoing, plainHeaders, repeatedHeaders, splitTarget } from './wire.ts';

export interface RequestServerOptions {
  readonly handler: ApiHandler;
  readonly authenticator: RequestAuthenticator;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A request that was understood, with its answer. */
export interface Handled {
  readonly request: ApiRequest;
  readonly info: RequestInfo;
  readonly answer: ApiResponse;
  readonly context: Context;
}

const methods: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
/** Upstream's `--request-timeout`. */
const requestTimeoutMs = 60_000;

/** Takes one request from its bytes to its answer: decode, authenticate, impersonate, handle, encode. */
export class RequestServer {
  readonly #options: RequestServerOptions;
  readonly #life: Context;
  /** By HTTP/2 session or HTTP/1.1 socket: a connection's certificate never changes, and reading it is slow. */
  readonly #certificates = new WeakMap<object, { readonly certificate: ClientCertificate | undefined }>();

  constructor(options: RequestServerOptions, life: Context) {
    this.#options = options;
    this.#life = life;
  }

  /** Answers one request. Never throws: what goes wrong is told to the client. */
  serve(incoming: IncomingMessage | Http2ServerRequest, raw: ServerResponse | Http2ServerResponse): void {
    const response = outgoing(raw);
    const auditId = this.newAuditId();
    const { context, cancel } = this.#life.withCancel();
    response.once('close', cancel);
    // A socket error on a request ends in 'close'; unheard it would end the process.
    incoming.on('error', cancel);
    raw.on('error', cancel);
    this.#answer(context, incoming, auditId, async (handled, about) =>
      respond(handled.context, response, handled.answer, about),
    )
      .catch((error: unknown) => {
        if (!context.ended) this.#note(error, incoming, auditId);
        respondError(response, error, auditId);
      })
      .finally(cancel);
  }

  /** Handles a request whose answer is a protocol switch; see `web-socket.ts`. Throws StatusError. */
  async handleUpgrade(
    context: Context,
    incoming: IncomingMessage,
    auditId: string,
    write: (handled: Handled, about: AnswerContext) => Promise<void>,
  ): Promise<void> {
    try {
      await this.#answer(context, incoming, auditId, write);
    } catch (error) {
      if (!context.ended) this.#note(error, incoming, auditId);
      throw error;
    }
  }

  newAuditId(): string {
    return this.#options.random.uuid();
  }

  get life(): Context {
    return this.#life;
  }

  async #answer(
    context: Context,
    incoming: Incoming,
    auditId: string,
    write: (handled: Handled, about: AnswerContext) => Promise<void>,
  ): Promise<void> {
    const { path, query } = splitTarget(incoming.url ?? '/');
    const headers = plainHeaders(incoming);
    const method = methodOf(incoming.method ?? 'GET');
    const info = parseRequestInfo(method, path, query);
    const user = await this.#identify(context, incoming, headers);
    const negotiated = negotiateFor(info, headers['accept']);
    const body = await readBody({ method, kind: kindOf(info), headers, stream: incoming });
    const cause = parseCause(headers['traceparent'], headers['tracestate']);
    const timed = this.#limit(context.withCause(cause), info);
    const request: ApiRequest = {
      method,
      path,
      query,
      headers,
      body: body.value,
      contentType: body.contentType,
      user,
      cause,
    };
    const { clock, logger } = this.#options;
    const acceptEncoding = headers['accept-encoding'] ?? '';
    const about = {
      negotiated,
      query,
      head: method === 'HEAD',
      acceptEncoding,
      auditId,
      nowMs: () => clock.now(),
      logger,
    };
    try {
      const answer = await this.#options.handler.handle(timed.context, request);
      return await write({ request, info, answer, context: timed.context }, about);
    } finally {
      timed.cancel();
    }
  }

  /** Who asks, after authentication and impersonation. */
  async #identify(
    context: Context,
    incoming: Incoming,
    headers: Readonly<Record<string, string | undefined>>,
  ): Promise<UserInfo> {
    const { authenticator, authorizer } = this.#options;
    const token = bearerTokenOf(headers);
    const user = await authenticator.authenticate(context, { certificate: this.#certificateOf(incoming), token });
    return impersonate(context, authorizer, user, repeatedHeaders(incoming, 'impersonate-'));
  }

  #certificateOf(incoming: Incoming): ClientCertificate | undefined {
    const connection = 'stream' in incoming ? (incoming.stream.session ?? incoming.stream) : incoming.socket;
    const known = this.#certificates.get(connection);
    if (known) return known.certificate;
    // Served over TLS only, which the types of a request cannot say.
    const certificate = clientCertificateOf(incoming.socket as unknown as PeerSocket);
    this.#certificates.set(connection, { certificate });
    return certificate;
  }

  /** Watches limit themselves; streams are not limited at all. */
  #limit(context: Context, info: RequestInfo): { context: Context; cancel: () => void } {
    return isLongRunning(info) ? context.withCancel() : context.withTimeout(this.#options.clock, requestTimeoutMs);
  }

  #note(error: unknown, incoming: Incoming, auditId: string): void {
    if (error instanceof StatusError && error.reason !== 'InternalError') return;
    const { path } = splitTarget(incoming.url ?? '/');
    this.#options.logger.error('request failed', { method: incoming.method, path, auditId, error: describe(error) });
  }
}

function describe(error: unknown): string {
  return error instanceof Error && error.stack ? error.stack : messageOf(error);
}

function methodOf(method: string): ApiRequest['method'] {
  if (!methods.includes(method))
    throw new StatusError('MethodNotAllowed', 'the server does not allow this method on the requested resource');
  return method as ApiRequest['method'];
}

/** The kind that a write to the path carries, as far as the path says it. */
function kindOf({ group, version, resource, subresource }: RequestInfo): string {
  return subresource === '' ? (findResource(group, version, resource)?.kind ?? '') : '';
}

/** Paths that are no resource answer in their own media type, whatever is asked for. */
function negotiateFor(info: RequestInfo, accept: string | undefined): ReturnType<typeof negotiate> {
  const stream = info.subresource !== '' && isLongRunning(info);
  return info.isResourceRequest && !stream ? negotiate(accept) : { format: 'json', transform: 'none' };
}

const bearerProtocol = 'base64url.bearer.authorization.k8s.io.';

/** The bearer token, from its header or, for browsers' WebSockets, from the subprotocol upstream reserves for it. */
function bearerTokenOf(headers: Readonly<Record<string, string | undefined>>): string | undefined {
  const match = /^bearer\s+(\S+)$/i.exec(headers['authorization']?.trim() ?? '');
  if (match?.[1]) return match[1];
  for (const protocol of (headers['sec-websocket-protocol'] ?? '').split(',')) {
    const name = protocol.trim();
    if (name.startsWith(bearerProtocol))
      return Buffer.from(name.slice(bearerProtocol.length), 'base64url').toString('utf8');
  }
  return undefined;
}
