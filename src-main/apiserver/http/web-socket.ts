import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { AsyncQueue } from '#base/async-queue';
import type { Context } from '#base/context';
import { StatusError } from '#api/machinery/status';
import type { ApiResponse, UpgradedSocket } from '../request.ts';
import { encodeObject } from './encoding.ts';
import type { Handled, RequestServer } from './request-server.ts';
import { type AnswerContext, commonHeaders, statusErrorOf, watchFrames } from './respond.ts';

/** The largest message a client may send; kubectl's are far smaller. */
const maxMessageBytes = 16 * 1024 * 1024;
/** Waiting messages above which the socket is no longer read. */
const maxWaitingMessages = 64;
/** Bytes sent but not yet taken by the peer, above which `send` waits. */
const maxBufferedBytes = 1024 * 1024;

/** Sockets that speak WebSocket by now: no HTTP answer may be written to them any more. */
const switched = new WeakSet<Duplex>();

/** Serves requests that ask for `Upgrade: websocket`: the streams of pods, and watches. */
export class WebSocketUpgrader {
  readonly #requests: RequestServer;

  constructor(requests: RequestServer) {
    this.#requests = requests;
  }

  /** Never throws: what goes wrong is told to the client, as a Status before the switch and as a close code after it. */
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    const auditId = this.#requests.newAuditId();
    const { context, cancel } = this.#requests.life.withCancel();
    socket.once('close', cancel);
    socket.on('error', cancel);
    this.#requests
      .handleUpgrade(context, incoming, auditId, (handled, about) =>
        switchProtocol(handled, about, incoming, socket, head),
      )
      .catch((error: unknown) => refuse(socket, error, auditId))
      .finally(cancel);
  }
}

async function switchProtocol(
  handled: Handled,
  about: AnswerContext,
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const { answer } = handled;
  if ((incoming.headers.upgrade ?? '').toLowerCase() !== 'websocket') {
    throw new StatusError('BadRequest', 'unable to upgrade: only WebSocket upgrades are served');
  }
  if (answer.kind !== 'upgrade' && answer.kind !== 'watch') {
    throw new StatusError('BadRequest', 'this request cannot be upgraded to a WebSocket');
  }
  const protocol = agreeOn(answer, incoming.headers['sec-websocket-protocol'] ?? '');
  const webSocket = await accept(incoming, socket, head, protocol);
  const upgraded = new WebSocketStream(webSocket, protocol);
  if (answer.kind === 'upgrade') await answer.serve(upgraded);
  else await serveWatch(handled.context, answer, about, upgraded);
  upgraded.close(1000);
}

/** The first of the client's subprotocols that is served; the empty name where none was asked for. */
function agreeOn(answer: ApiResponse, header: string): string {
  const offered = header
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  const served = answer.kind === 'upgrade' ? answer.protocols : [''];
  if (offered.length === 0) return '';
  const agreed = offered.find((name) => served.includes(name));
  if (agreed !== undefined) return agreed;
  if (answer.kind === 'watch') return '';
  throw new StatusError(
    'BadRequest',
    `unable to upgrade: none of the subprotocols ${offered.join(', ')} is served (served: ${served.join(', ')})`,
  );
}

function accept(incoming: IncomingMessage, socket: Duplex, head: Buffer, protocol: string): Promise<WebSocket> {
  const server = new WebSocketServer({
    ...{ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: maxMessageBytes },
    handleProtocols: () => protocol || false,
  });
  // `ws` refuses names with a slash, which RFC 6455 does not allow and kubectl sends (`SPDY/3.1+portforward.k8s.io`). What was
  // agreed on stands in the answer; the library only has to see some name.
  if (protocol) incoming.headers['sec-websocket-protocol'] = 'agreed';
  return new Promise((resolve, reject) => {
    server.once('wsClientError', reject);
    server.handleUpgrade(incoming, socket, head, (webSocket) => {
      switched.add(socket);
      resolve(webSocket);
    });
  });
}

async function serveWatch(
  context: Context,
  answer: Extract<ApiResponse, { kind: 'watch' }>,
  about: AnswerContext,
  socket: WebSocketStream,
): Promise<void> {
  for await (const frame of watchFrames(context, answer, about)) await socket.sendText(frame.subarray(0, -1));
}

/** A WebSocket as the streams see it, with back-pressure both ways. */
class WebSocketStream implements UpgradedSocket {
  readonly protocol: string;
  readonly #socket: WebSocket;
  readonly #incoming = new AsyncQueue<Uint8Array>();

  constructor(socket: WebSocket, protocol: string) {
    this.#socket = socket;
    this.protocol = protocol;
    socket.on('message', (data: RawData) => {
      this.#incoming.push(bytesOf(data));
      if (this.#incoming.size > maxWaitingMessages) socket.pause();
    });
    socket.on('close', () => this.#incoming.end());
    // Always followed by 'close'.
    socket.on('error', () => this.#incoming.end());
  }

  get messages(): AsyncIterable<Uint8Array> {
    return this.#read();
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    for await (const message of this.#incoming) {
      if (this.#incoming.size <= maxWaitingMessages / 2 && this.#socket.isPaused) this.#socket.resume();
      yield message;
    }
  }

  send(message: Uint8Array): Promise<void> {
    return this.#send(message, true);
  }

  sendText(message: Uint8Array): Promise<void> {
    return this.#send(message, false);
  }

  #send(message: Uint8Array, binary: boolean): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return Promise.reject(new Error('the WebSocket is closed'));
    return new Promise((resolve, reject) => {
      const waits = this.#socket.bufferedAmount > maxBufferedBytes;
      this.#socket.send(message, { binary }, (error) => {
        if (error) reject(error);
        else if (waits) resolve();
      });
      if (!waits) resolve();
    });
  }

  close(code?: number, reason?: string): void {
    if (this.#socket.readyState <= this.#socket.OPEN) this.#socket.close(code, reason);
  }
}

function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : data;
}

/** Answers a handshake that is turned down, on the bare socket; once switched there is only the socket left to break. */
function refuse(socket: Duplex, error: unknown, auditId: string): void {
  if (socket.destroyed || switched.has(socket)) {
    socket.destroy();
    return;
  }
  const status = statusErrorOf(error);
  const body = encodeObject(status.toStatus());
  const headers = {
    ...commonHeaders(auditId),
    'content-type': 'application/json',
    'content-length': String(body.length),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(Buffer.concat([Buffer.from(`HTTP/1.1 ${status.code} ${status.reason}\r\n${lines.join('')}\r\n`), body]));
}
