import { messageOf } from '#base/errors';
import type { ByteStream } from '#base/streams';
import { channel as commandChannel } from './channels.ts';
import { FlowQueue } from './flow-queue.ts';
import type { MessageSocket } from './message-socket.ts';

/**
 * One forwarded connection over one WebSocket to a kubelet: the frames of upstream's `v4.channel.k8s.io` port-forward
 * (pkg/kubelet/server/portforward, release 1.36), with v5's message for "this channel has ended" so that half-closed
 * connections go through.
 *
 * ```
 * 0 data    1 an error in words    the first of each is the port, two bytes, little end first
 * 255 0     the sender will send no more data
 * ```
 */
export const portChannelProtocol = 'v5.channel.k8s.io';

const channel = { data: 0, error: 1, close: commandChannel.close } as const;

function frame(to: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Buffer.from([to]), bytes]);
}

/** The kubelet's end: joins `socket` and `connection` until both directions have ended. */
export async function servePortChannels(socket: MessageSocket, port: number, connection: ByteStream): Promise<void> {
  const portBytes = Buffer.from([port & 0xff, port >> 8]);
  try {
    await socket.send(frame(channel.data, portBytes));
    await socket.send(frame(channel.error, portBytes));
    await Promise.all([copyOut(connection, socket), copyIn(socket, connection)]);
  } catch (error) {
    // A peer that is gone cannot be told.
    await socket.send(frame(channel.error, Buffer.from(messageOf(error)))).catch(() => undefined);
  } finally {
    connection.destroy();
  }
}

async function copyOut(connection: ByteStream, socket: MessageSocket): Promise<void> {
  for await (const chunk of connection.incoming) if (chunk.length > 0) await socket.send(frame(channel.data, chunk));
  await socket.send(Buffer.from([channel.close, channel.data]));
}

/** Until the client has gone, which breaks the connection. */
async function copyIn(socket: MessageSocket, connection: ByteStream): Promise<void> {
  for await (const message of socket.messages) {
    if (message[0] === channel.data) await connection.write(message.subarray(1));
    else if (message[0] === channel.close) connection.end();
  }
  connection.destroy();
}

/** The client's end of a connection that stands. */
export function portChannelStream(socket: MessageSocket): ByteStream {
  const incoming = new FlowQueue();
  const ended = { in: false, out: false };
  const closeWhenDone = (): void => {
    if (ended.in && ended.out) socket.close(1000);
  };
  readFrames(socket, incoming).then(
    () => {
      ended.in = true;
      closeWhenDone();
    },
    (error: unknown) => incoming.fail(error),
  );
  return {
    incoming,
    write: (chunk) => socket.send(frame(channel.data, chunk)),
    end: () => {
      ended.out = true;
      // Of a connection that is gone the reader hears.
      socket.send(Buffer.from([channel.close, channel.data])).then(closeWhenDone, () => undefined);
    },
    destroy: () => {
      incoming.close();
      socket.close(1000);
    },
  };
}

/** Resolves when the kubelet has ended its direction. */
async function readFrames(socket: MessageSocket, incoming: FlowQueue): Promise<void> {
  const begun = new Set<number>();
  for await (const message of socket.messages) {
    const [from = -1] = message;
    const payload = message.subarray(1);
    if (from === channel.close) {
      incoming.end();
      return;
    }
    if (!begun.has(from)) begun.add(from);
    else if (from === channel.error) throw new Error(Buffer.from(payload).toString('utf8'));
    else if (from === channel.data) await incoming.push(payload);
  }
  throw new Error('the connection to the kubelet broke');
}
