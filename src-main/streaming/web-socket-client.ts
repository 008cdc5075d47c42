import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import { WebSocketStream } from './web-socket.ts';

/** The largest message taken from a server. */
const maxMessageBytes = 16 * 1024 * 1024;

/** The server turned the handshake down. `body` is what it said, as text. */
export class HandshakeRefusedError extends Error {
  override readonly name = 'HandshakeRefusedError';
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`the server answered ${status} instead of switching protocols`);
    this.status = status;
    this.body = body;
  }
}

/**
 * Opens a WebSocket over a connection that stands already. Rejects with {@link HandshakeRefusedError}, or with what broke
 * the connection, and destroys `connection` then.
 */
export function openWebSocket(
  connection: Duplex,
  host: string,
  path: string,
  protocols: readonly string[],
): Promise<WebSocketStream> {
  const socket = new WebSocket(`ws://${host}${path}`, [...protocols], {
    ...{ perMessageDeflate: false, maxPayload: maxMessageBytes, createConnection: () => connection as never },
  });
  // Made now: what the server sends right after the handshake must not be missed.
  const stream = new WebSocketStream(socket, () => socket.protocol);
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      connection.destroy();
      reject(error);
    };
    socket.once('open', () => resolve(stream));
    socket.once('error', fail);
    socket.once('unexpected-response', (_request: unknown, response: IncomingMessage) => {
      readText(response).then((body) => fail(new HandshakeRefusedError(response.statusCode ?? 500, body)), fail);
    });
  });
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
