import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { StatusError } from '#api/machinery/status';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { attributesOf, type DelegatedAuthorizer, type KubeletUser } from './delegated-authorizer.ts';
import type { KubeletAnswer, KubeletRoutes } from './kubelet-routes.ts';

export interface ServingCertificate {
  readonly certificate: string;
  readonly key: string;
}

export interface KubeletListenerOptions {
  readonly host: string;
  /** 10250; 0 for any free port. */
  readonly port: number;
  /** PEM: the authority that client certificates must come from. */
  readonly clientCa: string;
  readonly serving: ServingCertificate;
  readonly authorizer: DelegatedAuthorizer;
  readonly routes: KubeletRoutes;
  readonly logger: Logger;
}

/**
 * The kubelet's port (pkg/kubelet/server, release 1.36): HTTPS for holders of a client certificate of the cluster,
 * each request authorised by the API server.
 */
export class KubeletListener {
  readonly #options: KubeletListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Duplex>();
  readonly #life = Context.background().withCancel();

  constructor(options: KubeletListenerOptions) {
    this.#options = options;
    const { certificate, key } = options.serving;
    this.#server = createServer({
      ...{ ca: options.clientCa, cert: certificate, key, minVersion: 'TLSv1.2' },
      // Turned down here with a 401 instead of in the handshake, as upstream does.
      ...{ requestCert: true, rejectUnauthorized: false, requestTimeout: 0 },
    });
    this.#server.on('connection', (socket: Duplex) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    this.#server.on('request', (request, response) => this.#request(request, response));
    this.#server.on('upgrade', (request, socket: Duplex, head: Buffer) => this.#upgrade(request, socket, head));
    this.#server.on('tlsClientError', (error: Error) =>
      options.logger.debug('TLS handshake failed', { error: error.message }),
    );
  }

  /** The bound port. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async start(): Promise<void> {
    this.#server.listen(this.#options.port, this.#options.host);
    await once(this.#server, 'listening');
  }

  /** New connections are shown the new certificate. */
  setServing({ certificate, key }: ServingCertificate): void {
    this.#server.setSecureContext({ ca: this.#options.clientCa, cert: certificate, key, minVersion: 'TLSv1.2' });
  }

  async stop(): Promise<void> {
    this.#life.cancel();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #request(request: IncomingMessage, response: ServerResponse): void {
    const { context, cancel } = this.#life.context.withCancel();
    response.once('close', cancel);
    this.#answer(context, request)
      .then((answer) => respond(answer, response))
      .catch((error: unknown) => fail(response, error));
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { context, cancel } = this.#life.context.withCancel();
    socket.once('close', cancel);
    socket.on('error', cancel);
    this.#authorize(context, request)
      .then((url) => this.#options.routes.upgrade(context, url, { request, socket, head }))
      .catch((error: unknown) => refuseUpgrade(socket, statusOf(error)))
      .finally(cancel);
  }

  async #answer(context: Context, request: IncomingMessage): Promise<KubeletAnswer> {
    const url = await this.#authorize(context, request);
    if (request.method !== 'GET') throw new StatusError('MethodNotAllowed', '405: Method Not Allowed');
    return this.#options.routes.get(context, url);
  }

  async #authorize(context: Context, request: IncomingMessage): Promise<URL> {
    const url = new URL(request.url ?? '/', 'https://kubelet');
    const user = userOf(request.socket as TLSSocket);
    if (!user) throw new StatusError('Unauthorized', 'Unauthorized');
    const { verb, subresources } = attributesOf(request.method ?? 'GET', url.pathname);
    if (await this.#options.authorizer.authorize(context, user, verb, subresources)) return url;
    const [finest = 'proxy'] = subresources;
    const text = `Forbidden (user=${user.name}, verb=${verb}, resource=nodes, subresource(s)=[${finest}])`;
    throw new StatusError('Forbidden', text);
  }
}

/** The owner of the client certificate; undefined without one that the cluster's authority signed. */
function userOf(socket: TLSSocket): KubeletUser | undefined {
  if (!socket.authorized) return undefined;
  const { CN: name, O: groups } = socket.getPeerCertificate().subject as { CN?: string; O?: string | string[] };
  if (!name) return undefined;
  return { name, groups: [...(groups === undefined ? [] : [groups].flat()), 'system:authenticated'] };
}

async function respond(answer: KubeletAnswer, response: ServerResponse): Promise<void> {
  response.writeHead(200, { 'content-type': answer.contentType });
  if (typeof answer.body === 'string') {
    response.end(answer.body);
    return;
  }
  // The reader may wait for the first line of a log for a long time: it hears at once that it was taken.
  response.flushHeaders();
  for await (const chunk of answer.body) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
  }
  response.end();
}

function statusOf(error: unknown): StatusError {
  return error instanceof StatusError ? error : new StatusError('InternalError', messageOf(error));
}

/** Before the first byte a Status; afterwards a connection that breaks, so that nobody takes half a log for a whole. */
function fail(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const status = statusOf(error);
  response.writeHead(status.code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(status.toStatus()));
}

function refuseUpgrade(socket: Duplex, status: StatusError): void {
  const body = JSON.stringify(status.toStatus());
  const head = [
    `HTTP/1.1 ${status.code} ${status.reason}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  if (!socket.destroyed) socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
