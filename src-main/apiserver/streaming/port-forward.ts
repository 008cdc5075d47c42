import type { ByteStream } from '#base/streams';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { MessageSocket } from '#streaming/message-socket';
import { SpdySession, type SpdyStream } from '#streaming/spdy/session';

/**
 * `port-forward` as kubectl 1.35 speaks it: a SPDY/3.1 session inside the binary messages of a WebSocket. For each
 * connection the client opens a pair of streams with the same `requestid`: `error`, on which only this side writes, and `data`.
 * The second name is what the protocol is called where the tunnel is taken for granted.
 */
export const portForwardProtocols: readonly string[] = ['SPDY/3.1+portforward.k8s.io', 'v2.portforward.k8s.io'];

export interface PortForwardOptions {
  readonly pod: string;
  readonly logger: Logger;
  /** One connection to a port of the pod. */
  readonly dial: (port: number) => Promise<ByteStream>;
}

/** Serves one client until it goes away. */
export async function servePortForward(socket: MessageSocket, options: PortForwardOptions): Promise<void> {
  const waiting = new Map<string, SpdyStream>();
  const session = new SpdySession(socket, (stream) => {
    const { requestid = '' } = stream.headers;
    const first = waiting.get(requestid);
    if (!first) {
      waiting.set(requestid, stream);
      return;
    }
    waiting.delete(requestid);
    const [error, data] = first.headers['streamtype'] === 'error' ? [first, stream] : [stream, first];
    forward(options, error, data).catch((cause: unknown) => {
      options.logger.debug('port-forward connection ended', { pod: options.pod, error: messageOf(cause) });
    });
  });
  await session.run();
}

/** One connection from its pair of streams to its end. */
async function forward(options: PortForwardOptions, error: SpdyStream, data: SpdyStream): Promise<void> {
  const port = Number(data.headers['port']);
  let connection: ByteStream | undefined;
  try {
    connection = await options.dial(port);
    const upload = copyIn(data, connection);
    for await (const chunk of connection.incoming) await data.write(chunk);
    await data.end();
    await error.end();
    await upload;
  } catch (cause) {
    // Runtimes that stream find out late that nobody listens: the client is told in the same words.
    await error.write(Buffer.from(`error forwarding port ${port} to pod ${options.pod}, uid : ${messageOf(cause)}`));
    await error.end();
    await data.reset();
  } finally {
    connection?.destroy();
  }
}

/** From the client to the pod. A client that hangs up ends the connection. */
async function copyIn(data: SpdyStream, connection: ByteStream): Promise<void> {
  try {
    for await (const chunk of data.incoming) await connection.write(chunk);
    connection.end();
  } catch {
    // Either end broke the connection: the other one hears of it by this.
    connection.destroy();
  }
}
