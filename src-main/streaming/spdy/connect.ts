import { request, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { SpdyError } from './frames.ts';
import type { SpdyHeaders } from './header-codec.ts';
import { SpdySession, type SpdyStream } from './session.ts';

/** The client's end of a SPDY/3.1 session over a socket of its own. */
export interface SpdyConnection {
  /** What the server chose of the protocols offered. */
  readonly protocol: string;
  /** Throws SpdyError when the server does not take the stream. */
  open(headers: SpdyHeaders): Promise<SpdyStream>;
  /** Resolves when the session is over, however it ended. */
  readonly closed: Promise<void>;
  close(): void;
}

/** What is read of an answer that turns the upgrade down. */
const maxReasonBytes = 4096;

/**
 * Asks the server of an `http:` address to speak SPDY/3.1, with one of `protocols` on top. Throws SpdyError `REFUSED` with
 * the server's words, CancelledError, or the socket's own error.
 */
export async function connectSpdy(
  context: Context,
  url: string,
  protocols: readonly string[],
): Promise<SpdyConnection> {
  context.check();
  const { response, socket, head } = await upgrade(context, url, protocols);
  if (head.length > 0) socket.unshift(head);
  const session = new SpdySession({ messages: socket, send: (bytes) => writeTo(socket, bytes) });
  const close = (): void => {
    session.close();
    socket.destroy();
  };
  const ending = context.onEnd(close);
  const closed = session
    .run()
    // The streams have been told why: here it only matters that it is over.
    .catch(() => undefined)
    .finally(() => {
      ending.dispose();
      socket.destroy();
    });
  const agreed = response.headers['x-stream-protocol-version'];
  return {
    protocol: typeof agreed === 'string' ? agreed : (protocols[0] ?? ''),
    open: (headers) => session.open(headers),
    closed,
    close,
  };
}

interface Upgraded {
  readonly response: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

function upgrade(context: Context, url: string, protocols: readonly string[]): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    const asking = request(url, {
      method: 'POST',
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': [...protocols] },
    });
    const ending = context.onEnd(() => {
      asking.destroy();
      reject(new CancelledError(context.endedBy ?? 'cancelled'));
    });
    const settle = (): void => ending.dispose();
    asking.once('upgrade', (response, socket, head) => {
      settle();
      // Readers and writers hear of an error by their own calls.
      socket.on('error', () => undefined);
      resolve({ response, socket, head });
    });
    asking.once('response', (response) => {
      reasonOf(response).then((reason) => {
        settle();
        reject(new SpdyError('REFUSED', `${response.statusCode ?? 0} ${reason}`));
      }, reject);
    });
    asking.once('error', (error) => {
      settle();
      reject(error);
    });
    asking.end();
  });
}

async function reasonOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= maxReasonBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxReasonBytes).toString('utf8').trim();
}

function writeTo(socket: Duplex, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed || socket.writableEnded) {
      reject(new SpdyError('PROTOCOL_ERROR', 'the session ended'));
      return;
    }
    socket.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
