import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type RawData, type WebSocket } from 'ws';
import { AsyncQueue } from '#base/async-queue';
import type { MessageSocket } from './message-socket.ts';

/** The largest message a client may send; kubectl's are far smaller. */
const maxMessageBytes = 16 * 1024 * 1024;
/** Waiting messages above which the socket is no longer read. */
const maxWaitingMessages = 64;
/** Bytes sent but not yet taken by the peer, above which `send` waits. */
const maxBufferedBytes = 1024 * 1024;

/** Completes the handshake, agreeing on `protocol` (empty for none). Rejects when the client's half of it is broken. */
export function acceptWebSocket(
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  protocol: string,
): Promise<WebSocketStream> {
  const server = new WebSocketServer({
    ...{ noServer: true, clientTracking: false, perMessageDeflate: false, maxPayload: maxMessageBytes },
  });
  // Kubernetes' name for port-forward has a slash in it, which the standard forbids and `ws` refuses: it never sees the names.
  delete incoming.headers['sec-websocket-protocol'];
  if (protocol) server.on('headers', (headers: string[]) => headers.push(`Sec-WebSocket-Protocol: ${protocol}`));
  return new Promise((resolve, reject) => {
    server.once('wsClientError', reject);
    server.handleUpgrade(incoming, socket, head, (webSocket) =>
      resolve(new WebSocketStream(webSocket, () => protocol)),
    );
  });
}

/** A WebSocket as the streams see it, with back-pressure both ways. */
export class WebSocketStream implements MessageSocket {
  readonly #socket: WebSocket;
  readonly #protocol: () => string;
  readonly #incoming = new AsyncQueue<Uint8Array>();

  /** `protocol` is asked once the handshake is done. */
  constructor(socket: WebSocket, protocol: () => string) {
    this.#socket = socket;
    this.#protocol = protocol;
    socket.on('message', (data: RawData) => {
      this.#incoming.push(bytesOf(data));
      if (this.#incoming.size > maxWaitingMessages) socket.pause();
    });
    socket.on('close', () => this.#incoming.end());
    // Always followed by 'close'.
    socket.on('error', () => this.#incoming.end());
  }

  get protocol(): string {
    return this.#protocol();
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
