import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Context } from '#base/context';
import { StatusError } from '#api/machinery/status';
import { acceptWebSocket, type WebSocketStream } from '#streaming/web-socket';
import type { ApiResponse } from '../request.ts';
import { acceptSpdy } from '../streaming/spdy-upgrade.ts';
import { encodeObject } from './encoding.ts';
import type { Handled, RequestServer } from './request-server.ts';
import { type AnswerContext, commonHeaders, statusErrorOf, watchFrames } from './respond.ts';

/** Sockets that speak another protocol by now: no HTTP answer may be written to them any more. */
const switched = new WeakSet<Duplex>();

/**
 * Serves requests that ask for `Upgrade`: the streams of pods over a WebSocket or, as clients before kubectl 1.31 have them,
 * over bare SPDY/3.1; and watches over a WebSocket.
 */
export class Upgrader {
  readonly #requests: RequestServer;

  constructor(requests: RequestServer) {
    this.#requests = requests;
  }

  /** Never throws: what goes wrong is told to the client, as a Status before the switch and as a broken socket after it. */
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
  { answer, context }: Handled,
  about: AnswerContext,
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const wanted = (incoming.headers.upgrade ?? '').toLowerCase();
  if (answer.kind === 'upgrade' && wanted === 'spdy/3.1') {
    const offered = namesOf(incoming.headers['x-stream-protocol-version']);
    switched.add(socket);
    await answer.serve(acceptSpdy(socket, head, offered, answer.protocols));
    socket.end();
    return;
  }
  if (wanted !== 'websocket') throw new StatusError('BadRequest', `unable to upgrade to ${JSON.stringify(wanted)}`);
  if (answer.kind !== 'upgrade' && answer.kind !== 'watch') {
    throw new StatusError('BadRequest', 'this request cannot be upgraded to a WebSocket');
  }
  const protocol = agreeOn(answer, namesOf(incoming.headers['sec-websocket-protocol']));
  const webSocket = await acceptWebSocket(incoming, socket, head, protocol);
  switched.add(socket);
  if (answer.kind === 'upgrade') await answer.serve(webSocket);
  else await serveWatch(context, answer, about, webSocket);
  webSocket.close(1000);
}

function namesOf(header: string | readonly string[] | undefined): readonly string[] {
  const text = typeof header === 'string' ? header : (header ?? []).join(',');
  return text
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
}

/** The first of the client's subprotocols that is served; the empty name where none was asked for. */
function agreeOn(answer: ApiResponse, offered: readonly string[]): string {
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

async function serveWatch(
  context: Context,
  answer: Extract<ApiResponse, { kind: 'watch' }>,
  about: AnswerContext,
  socket: WebSocketStream,
): Promise<void> {
  for await (const frame of watchFrames(context, answer, about)) await socket.sendText(frame.subarray(0, -1));
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
