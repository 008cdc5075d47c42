import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { GrpcHandler, Peer } from './handlers.ts';
import { KeepAlive } from './keep-alive.ts';
import { sendStatus } from './responses.ts';
import { GrpcError, parseGrpcTimeout } from './status.ts';
import { serveStream } from './stream-call.ts';
import { serveUnary } from './unary-call.ts';

export interface GrpcServerOptions {
  /** By path, `/package.Service/Method`. */
  readonly handlers: ReadonlyMap<string, GrpcHandler>;
  /** PEM. Only clients with a certificate of `ca` get in; without `ca` everybody does, for measurements. */
  readonly tls: { readonly ca?: string; readonly cert: string; readonly key: string };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Longer messages answer RESOURCE_EXHAUSTED. */
  readonly maxRequestBytes: number;
  /** The status of anything a handler throws. */
  readonly statusOf: (error: unknown) => GrpcError;
}

/** Room for what may be under way to one client before it must acknowledge. */
const windowBytes = 2 ** 20;

/** gRPC over HTTP/2 with TLS and client certificates, on `node:http2` alone. */
export class GrpcServer {
  readonly #options: GrpcServerOptions;
  readonly #server: Http2SecureServer;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #life = Context.background().withCancel();

  constructor(options: GrpcServerOptions) {
    this.#options = options;
    const { tls, logger } = options;
    this.#server = createSecureServer({
      ...tls,
      requestCert: tls.ca !== undefined,
      rejectUnauthorized: tls.ca !== undefined,
      minVersion: 'TLSv1.2',
      settings: { initialWindowSize: windowBytes, maxConcurrentStreams: 2 ** 31 - 1, enablePush: false },
      // In megabytes, for all streams of a session. What waits for a slow reader is bounded by the streams themselves.
      maxSessionMemory: 1024,
    });
    this.#server.on('session', (session) => this.#welcome(session));
    this.#server.on('stream', (stream, headers) => this.#serve(stream, headers));
    this.#server.on('sessionError', (error) => {
      logger.debug('a gRPC connection failed', { error: messageOf(error) });
    });
    this.#server.on('tlsClientError', (error) => {
      logger.debug('a gRPC client was turned away', { error: messageOf(error) });
    });
  }

  /** Returns the port. Throws what the platform throws when it cannot listen. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => {
          this.#options.logger.warn('the gRPC port failed', { error: messageOf(error) });
        });
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Ends calls and streams under way. Idempotent. */
  stop(): Promise<void> {
    this.#life.cancel();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const session of this.#sessions) session.destroy(undefined, constants.NGHTTP2_NO_ERROR);
    return closed;
  }

  #welcome(session: ServerHttp2Session): void {
    this.#sessions.add(session);
    session.setLocalWindowSize(16 * windowBytes);
    const keepAlive = new KeepAlive(session, this.#options.clock);
    session.once('close', () => {
      keepAlive.stop();
      this.#sessions.delete(session);
    });
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', (error) => {
      this.#options.logger.debug('a gRPC call was broken off', { error: messageOf(error) });
    });
    if (!isGrpc(headers)) {
      stream.respond({ ':status': headers[':method'] === 'POST' ? 415 : 405 }, { endStream: true });
      stream.resume();
      return;
    }
    try {
      const handler = this.#find(headers);
      const { maxRequestBytes, statusOf } = this.#options;
      const options = { ...this.#contextFor(headers), maxRequestBytes, statusOf };
      if (handler.kind === 'unary') serveUnary(stream, handler.handle, options);
      else void serveStream(stream, handler.open, peerOf(stream, headers), options);
    } catch (error) {
      sendStatus(stream, this.#options.statusOf(error));
    }
  }

  /** The texts are those of grpc-go, which etcd is built on. */
  #find(headers: IncomingHttpHeaders): GrpcHandler {
    const encoding = headers['grpc-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      throw new GrpcError(
        'UNIMPLEMENTED',
        `grpc: Decompressor is not installed for grpc-encoding "${String(encoding)}"`,
      );
    }
    const path = headers[':path'] ?? '';
    const handler = this.#options.handlers.get(path);
    if (handler) return handler;
    const [, service, name] = /^\/(.*)\/([^/]*)$/.exec(path) ?? [];
    if (service === undefined) throw new GrpcError('UNIMPLEMENTED', `malformed method name: "${path}"`);
    for (const known of this.#options.handlers.keys()) {
      if (known.startsWith(`/${service}/`)) {
        throw new GrpcError('UNIMPLEMENTED', `unknown method ${name} for service ${service}`);
      }
    }
    throw new GrpcError('UNIMPLEMENTED', `unknown service ${service}`);
  }

  #contextFor(headers: IncomingHttpHeaders): { context: Context; cancel: () => void } {
    const timeout = headers['grpc-timeout'];
    if (timeout === undefined) return this.#life.context.withCancel();
    const timeoutMs = parseGrpcTimeout(String(timeout));
    if (timeoutMs === undefined) throw new GrpcError('INTERNAL', `malformed grpc-timeout: "${String(timeout)}"`);
    return this.#life.context.withTimeout(this.#options.clock, timeoutMs);
  }
}

function isGrpc(headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type'] ?? '';
  return headers[':method'] === 'POST' && /^application\/grpc($|[+;])/.test(type);
}

function peerOf(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): Peer {
  const { remoteAddress = '', remotePort = 0 } = stream.session?.socket ?? {};
  return `${headers['user-agent'] ?? 'gRPC client'} from ${remoteAddress}:${remotePort}`;
}
