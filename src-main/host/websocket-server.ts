import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { CodedError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { maxFrameBytes, socketPath } from '#contract/frames';
import type { ContractHandlers } from './handlers.ts';
import { OriginGuard } from './origin-guard.ts';
import { RendererFiles } from './renderer-files.ts';
import { Session } from './session.ts';

export interface UiServerOptions {
  readonly handlers: ContractHandlers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Folder of the built renderer: `out/renderer`. */
  readonly rendererFolder: string;
  /** 0 for any free port. */
  readonly port: number;
}

export class UiServerError extends CodedError<'PORT_IN_USE' | 'LISTEN_FAILED'> {
  override readonly name = 'UiServerError';
}

/**
 * The same UI for a browser: static files and the contract over a WebSocket, on 127.0.0.1. {@link url} holds a token that works
 * once; opening it gives that browser a session cookie for the life of the server.
 */
export class UiServer {
  readonly #options: UiServerOptions;
  readonly #guard = new OriginGuard();
  readonly #files: RendererFiles;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: maxFrameBytes });
  readonly #life = Context.background().withCancel();
  #port = 0;

  constructor(options: UiServerOptions) {
    this.#options = options;
    this.#files = new RendererFiles(options.rendererFolder);
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        options.logger.error('the UI server failed', { path: request.url, error: messageOf(error) });
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
    });
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  get port(): number {
    return this.#port;
  }

  /** An address for one browser. Ask again for another. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/?token=${this.#guard.token}`;
  }

  /** Throws {@link UiServerError}. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        const taken = error.code === 'EADDRINUSE';
        const message = taken
          ? `port ${this.#options.port} on 127.0.0.1 is taken: choose another with --ui-port, or none with --ui-port none`
          : `cannot listen on 127.0.0.1:${this.#options.port}: ${error.message}`;
        reject(new UiServerError(taken ? 'PORT_IN_USE' : 'LISTEN_FAILED', message, { cause: error }));
      });
      this.#server.listen(this.#options.port, '127.0.0.1', () => {
        const address = this.#server.address();
        this.#port = typeof address === 'object' && address ? address.port : this.#options.port;
        resolve();
      });
    });
  }

  async stop(): Promise<void> {
    this.#life.cancel();
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refuse = (status: number, text: string): void => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
      response.end(`${text}\n`);
    };
    if (!this.#guard.isOwnOrigin(request, this.#port)) return refuse(403, 'Drydock answers on 127.0.0.1 only.');
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405, 'Only GET.');
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const token = url.searchParams.get('token');
    if (token !== null) {
      const cookie = this.#guard.exchange(token);
      if (cookie === undefined && !this.#guard.hasSession(request))
        return refuse(
          401,
          'This address was used already. Run `drydock down` and `drydock up` for a new one; nothing is lost.',
        );
      response.writeHead(303, {
        location: '/',
        'cache-control': 'no-store',
        ...(cookie ? { 'set-cookie': cookie } : {}),
      });
      response.end();
      return;
    }
    if (!this.#guard.hasSession(request))
      return refuse(401, 'Open the address that Drydock printed: it holds the token that lets this browser in.');
    const file = await this.#files.get(url.pathname);
    if (!file) return refuse(404, 'Not found.');
    response.writeHead(200, { ...file.headers, 'content-length': file.body.byteLength });
    response.end(request.method === 'HEAD' ? undefined : file.body);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const allowed =
      this.#guard.isOwnOrigin(request, this.#port) &&
      request.headers.origin !== undefined &&
      this.#guard.hasSession(request) &&
      request.url === socketPath;
    if (!allowed) {
      socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => this.#serve(webSocket));
  }

  #serve(socket: WebSocket): void {
    const { handlers, clock, logger } = this.#options;
    const session = new Session(this.#life.context, {
      handlers,
      clock,
      logger,
      send: (frame) => {
        if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(frame));
      },
    });
    socket.on('message', (message, isBinary) => {
      try {
        session.receive(isBinary ? undefined : JSON.parse(String(message)));
      } catch (error) {
        logger.warn('dropped a connection that does not speak the contract', { error: messageOf(error) });
        socket.close(1008, 'not a frame of the contract');
      }
    });
    socket.on('error', (error) => logger.warn('a connection of the UI broke', { error: error.message }));
    socket.on('close', () => session.close());
  }
}
