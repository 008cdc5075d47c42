import { Agent, request as httpsRequest } from 'node:https';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { WatchEvent } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import { causeHeaders } from '#base/cause';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import { deepFreeze } from '#base/freeze';
import { jsonLines } from './json-lines.ts';
import type { Transport, TransportRequest } from './transport.ts';

export interface HttpsTransportOptions {
  /** `https://127.0.0.1:6443`. */
  readonly server: string;
  /** The one authority that is trusted, PEM. */
  readonly ca: string;
  /** How the client shows who it is. */
  readonly credentials:
    | { readonly cert: string; readonly key: string }
    | { readonly token: string }
    /** Asked before each request: tokens of service accounts are replaced before they expire. */
    | { readonly readToken: () => string };
  /** For example `kubelet/v1.36.0 (linux/amd64) drydock`. */
  readonly userAgent: string;
}

/**
 * {@link Transport} over HTTPS: keep-alive connections shared by all requests, one connection more for every open watch.
 * Watches are read as fast as their reader asks and no faster.
 */
export class HttpsTransport implements Transport {
  readonly #options: HttpsTransportOptions;
  readonly #server: URL;
  readonly #agent: Agent;

  constructor(options: HttpsTransportOptions) {
    this.#options = options;
    this.#server = new URL(options.server);
    const { credentials, ca } = options;
    const identity = 'cert' in credentials ? { cert: credentials.cert, key: credentials.key } : {};
    this.#agent = new Agent({ keepAlive: true, ca, ...identity, noDelay: true });
  }

  async request(context: Context, request: TransportRequest): Promise<unknown> {
    try {
      return await this.#request(context, request);
    } catch (error) {
      // A server may close an idle connection at the moment it is used again: reading once more is safe.
      if (!(error instanceof StaleConnectionError)) throw error;
      return this.#request(context, request);
    }
  }

  async watch(context: Context, request: TransportRequest): Promise<AsyncIterable<WatchEvent>> {
    const query = { ...request.query, watch: 'true' };
    const { response, release } = await this.#open(context, { ...request, query });
    if (!isSuccess(response)) {
      try {
        throw StatusError.fromWire(response.statusCode ?? 500, await readBody(response));
      } catch (error) {
        throw this.#explain(context, error);
      } finally {
        release();
      }
    }
    return this.#frames(context, response, release);
  }

  /** Closes idle connections. Requests under way go on. */
  close(): void {
    this.#agent.destroy();
  }

  async #request(context: Context, request: TransportRequest): Promise<unknown> {
    const { response, release } = await this.#open(context, request);
    try {
      const body = await readBody(response);
      if (!isSuccess(response)) throw StatusError.fromWire(response.statusCode ?? 500, body);
      return deepFreeze(body);
    } catch (error) {
      throw this.#explain(context, error);
    } finally {
      release();
    }
  }

  /** Generators start with the first `next`: until then the connection is held by the context alone. */
  async *#frames(context: Context, response: IncomingMessage, release: () => void): AsyncGenerator<WatchEvent> {
    try {
      for await (const frame of jsonLines(response)) {
        yield deepFreeze(frame) as WatchEvent;
        context.check();
      }
      context.check();
    } catch (error) {
      throw this.#explain(context, error);
    } finally {
      release();
      response.destroy();
    }
  }

  /** Sends the request and resolves with the head of the answer. `release` ends the hold that `context` has on it. */
  #open(context: Context, request: TransportRequest): Promise<{ response: IncomingMessage; release: () => void }> {
    context.check();
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const sent = httpsRequest({
      host: this.#server.hostname,
      port: this.#server.port || 443,
      servername: /^[\d.]+$/.test(this.#server.hostname) ? '' : this.#server.hostname,
      agent: this.#agent,
      method: request.method,
      path: request.path + queryText(request.query),
      headers: this.#headers(context, request, body),
    });
    const registration = context.onEnd(() => sent.destroy(new CancelledError(context.endedBy ?? 'cancelled')));
    const release = (): void => registration.dispose();
    return new Promise((resolve, reject) => {
      sent.once('response', (response) => resolve({ response, release }));
      sent.on('error', (error) => {
        release();
        reject(isStale(sent, error) ? new StaleConnectionError() : this.#explain(context, error));
      });
      sent.end(body);
    });
  }

  #headers(context: Context, request: TransportRequest, body: Buffer | undefined): Record<string, string | number> {
    const { credentials, userAgent } = this.#options;
    return {
      ...request.headers,
      accept: 'application/json',
      'user-agent': userAgent,
      ...('token' in credentials ? { authorization: `Bearer ${credentials.token}` } : {}),
      ...('readToken' in credentials ? { authorization: `Bearer ${credentials.readToken()}` } : {}),
      ...(context.cause ? causeHeaders(context.cause) : {}),
      ...(body ? { 'content-type': request.contentType ?? 'application/json', 'content-length': body.length } : {}),
    };
  }

  #explain(context: Context, error: unknown): Error {
    if (context.ended) return new CancelledError(context.endedBy ?? 'cancelled');
    if (error instanceof StatusError || error instanceof CancelledError) return error;
    const text = `the API server at ${this.#options.server} cannot be reached: ${messageOf(error)}`;
    return new StatusError('ServiceUnavailable', text, undefined, { cause: error });
  }
}

class StaleConnectionError extends Error {}

function isStale(sent: ClientRequest, error: NodeJS.ErrnoException): boolean {
  return sent.reusedSocket && sent.method === 'GET' && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}

function isSuccess(response: IncomingMessage): boolean {
  const code = response.statusCode ?? 0;
  return code >= 200 && code < 300;
}

function queryText(query: Readonly<Record<string, string>> | undefined): string {
  const text = new URLSearchParams(query).toString();
  return text === '' ? '' : `?${text}`;
}

/** JSON where the server says so, text otherwise. */
async function readBody(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString('utf8');
  const isJson = (response.headers['content-type'] ?? '').includes('json');
  return isJson && text !== '' ? JSON.parse(text) : text;
}
