import {
  createSecureServer,
  type Http2SecureServer,
  type Http2Session,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, yieldToEventLoop } from '#base/clock';
import type { Component, ComponentState } from '#base/component';
import { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { messageOf, present } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { Authorizer } from '../auth/authorizer.ts';
import type { RequestAuthenticator } from '../auth/authenticator.ts';
import type { ApiHandler } from '../request.ts';
import { ExtraAddresses } from './extra-addresses.ts';
import { listen, ListenError } from './listen.ts';
import { RequestServer } from './request-server.ts';
import { Upgrader } from './upgrade.ts';

export interface ListenerOptions {
  /** For example `kube-apiserver/master-1`. */
  readonly name: string;
  readonly host: string;
  /** 0 for any free port. A function is asked at each start. */
  readonly port: number | (() => number);
  /** PEM: the CA client certificates must come from, and the server's own certificate (chain) and key. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly handler: ApiHandler;
  readonly authenticator: RequestAuthenticator;
  /** Asked about impersonation only: everything else is authorised behind `handler`. */
  readonly authorizer: Authorizer;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * The API server's front door: HTTPS with HTTP/2 and HTTP/1.1 on one port. Client certificates are asked for, not demanded:
 * bearer tokens and anonymous requests come in too, and the authenticator decides. Stopping ends watches in order; a crash
 * breaks every connection at once.
 */
export class ApiServerListener implements Component {
  readonly name: string;
  readonly #options: ListenerOptions;
  readonly #sockets = new Set<Duplex>();
  readonly #sessions = new Set<Http2Session>();
  readonly #extra = new ExtraAddresses((socket) => this.accept(socket));
  #state: ComponentState = 'stopped';
  #server: Http2SecureServer | undefined;
  #life: { readonly context: Context; readonly cancel: () => void } | undefined;

  constructor(options: ListenerOptions) {
    this.name = options.name;
    this.#options = options;
  }

  get state(): ComponentState {
    return this.#state;
  }

  /** The bound port. Throws InvariantError unless running. */
  get port(): number {
    const address = present(this.#server, 'the listener runs').address() as AddressInfo | null;
    return present(address, 'the listener is bound').port;
  }

  /**
   * Serves on one more address, from now until the result is disposed of; it closes and opens with the listener. Throws
   * {@link ListenError}.
   */
  listenAlso(host: string, port: number): Promise<Disposable> {
    present(this.#server, 'the listener runs');
    return this.#extra.add(host, port);
  }

  /** Serves a connection that somebody else accepted (node:net: who has one may emit it); ends it when nothing runs here. */
  accept(socket: Socket): void {
    if (this.#server && this.#state === 'running') this.#server.emit('connection', socket);
    else socket.destroy();
  }

  /** Throws {@link ListenError}. */
  async start(context: Context): Promise<void> {
    if (this.#state === 'running') return;
    context.check();
    this.#state = 'starting';
    try {
      this.#server = this.#createServer();
      this.#life = Context.background().withCancel();
      this.#serve(this.#server, this.#life.context);
      const { host, port, logger } = this.#options;
      await listen(this.#server, host, typeof port === 'number' ? port : port());
      this.#server.on('error', (error) => logger.error('listener failed', { error: error.message }));
      await this.#extra.reopen();
      this.#state = 'running';
    } catch (error) {
      this.#state = 'stopped';
      this.#extra.close();
      this.#server?.close();
      this.#server = undefined;
      throw error;
    }
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server || this.#state !== 'running') return;
    this.#state = 'stopping';
    this.#extra.close();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    // Watches and streams end with this; what they still have to say goes out before the sockets close.
    this.#life?.cancel();
    await yieldToEventLoop();
    for (const session of this.#sessions) session.close();
    for (const socket of this.#sockets) socket.end();
    for (let turn = 0; turn < stopGraceTurns && this.#sockets.size > 0; turn++) await yieldToEventLoop();
    this.#destroySockets();
    await closed;
    this.#server = undefined;
    this.#state = 'stopped';
  }

  crash(): void {
    const server = this.#server;
    this.#state = 'crashed';
    this.#extra.close();
    this.#server = undefined;
    this.#destroySockets();
    server?.close();
    this.#life?.cancel();
  }

  #destroySockets(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  #createServer(): Http2SecureServer {
    const { ca, cert, key } = this.#options.tls;
    try {
      const server = createSecureServer({
        ...{ ca, cert, key, minVersion: 'TLSv1.2', allowHTTP1: true, requestCert: true, rejectUnauthorized: false },
        // One client may hold a watch a resource and hundreds of writes in flight on one connection.
        settings: { maxConcurrentStreams: 1000, initialWindowSize: 1024 * 1024, enablePush: false },
        maxSessionMemory: 512,
      });
      // Below a minute Go's clients now and then write into a connection that is being closed.
      Object.assign(server, { keepAliveTimeout: 180_000, requestTimeout: 0 });
      return server;
    } catch (cause) {
      throw new ListenError(
        'BAD_CERTIFICATE',
        `the API server's certificate or key cannot be used: ${messageOf(cause)}`,
        { cause },
      );
    }
  }

  #serve(server: Http2SecureServer, life: Context): void {
    const requests = new RequestServer(this.#options, life);
    const upgrader = new Upgrader(requests);
    server.on('connection', (socket: Duplex) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    server.on('session', (session: Http2Session) => {
      this.#sessions.add(session);
      session.once('close', () => this.#sessions.delete(session));
    });
    server.on(
      'request',
      (request: IncomingMessage | Http2ServerRequest, response: ServerResponse | Http2ServerResponse) =>
        requests.serve(request, response),
    );
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      upgrader.upgrade(request, socket, head),
    );
    // A peer that hangs up or speaks no TLS is its own affair.
    const note = (what: string) => (error: Error) => this.#options.logger.debug(what, { error: error.message });
    server.on('tlsClientError', note('TLS handshake failed'));
    server.on('sessionError', note('HTTP/2 session failed'));
    server.on('clientError', (error: Error, socket: Duplex) => {
      note('bad HTTP/1.1 request')(error);
      socket.destroy();
    });
  }
}

/** Turns of the event loop that a stopping listener gives its clients to hang up. */
const stopGraceTurns = 20;
