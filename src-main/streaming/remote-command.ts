import type { ExecOptions, ExecSession } from '#base/streams';
import { channel } from './channels.ts';
import type { MessageSocket } from './message-socket.ts';

/**
 * `exec` and `attach` over a WebSocket (`remotecommand` of k8s.io/apimachinery, release 1.36). Each message is one byte that
 * names a channel, then the channel's bytes:
 *
 * ```
 * 0 stdin   1 stdout   2 stderr   3 a Status, once, at the end   4 {"Width":80,"Height":24}
 * 255 (v5 only)  one byte: the channel the sender has closed; so `kubectl exec -i` can end its standard input
 * ```
 */
export const remoteCommandProtocols: readonly string[] = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

/**
 * Carries one session until the command ends or the client goes away. `open` starts it once the client is connected: what
 * goes wrong from then on is told on the error channel, as the Status that `statusOf` makes of it.
 */
export async function serveRemoteCommand(
  socket: MessageSocket,
  options: ExecOptions,
  open: () => Promise<ExecSession>,
  statusOf: (error: unknown) => unknown,
): Promise<void> {
  // An empty message tells the client that the connection stands, as upstream does.
  await send(
    socket,
    options.stdout ? channel.stdout : options.stderr ? channel.stderr : channel.error,
    Buffer.alloc(0),
  );
  let session: ExecSession;
  try {
    session = await open();
  } catch (error) {
    await sendStatus(socket, statusOf(error));
    return;
  }
  const reading = readClient(socket, session);
  try {
    await Promise.all([pump(session.stdout, socket, channel.stdout), pump(session.stderr, socket, channel.stderr)]);
    await sendStatus(socket, outcomeOf((await session.exit).exitCode));
  } catch (error) {
    // Of a client that went away there is nobody left to tell.
    if (!reading.gone) await sendStatus(socket, statusOf(error));
  } finally {
    session.close();
  }
}

/** Hands the client's messages to the session until the client goes away, which ends the session. */
function readClient(socket: MessageSocket, session: ExecSession): { readonly gone: boolean } {
  const state = { gone: false };
  const read = async (): Promise<void> => {
    try {
      for await (const message of socket.messages) await take(message, session);
    } finally {
      state.gone = true;
      session.close();
    }
  };
  // A write to a command that has ended fails; its end is reported by `exit`.
  read().catch(() => session.close());
  return state;
}

async function take(message: Uint8Array, session: ExecSession): Promise<void> {
  const payload = message.subarray(1);
  switch (message[0]) {
    case channel.stdin:
      if (payload.length > 0) await session.stdin?.write(payload);
      return;
    case channel.resize:
      resize(payload, session);
      return;
    case channel.close:
      if (payload[0] === channel.stdin) session.stdin?.end();
      return;
    default:
      // The other channels are the server's.
      return;
  }
}

function resize(payload: Uint8Array, session: ExecSession): void {
  const size: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
  const { Width: columns, Height: rows } = size as { readonly Width?: unknown; readonly Height?: unknown };
  if (typeof columns === 'number' && typeof rows === 'number') session.resize(columns, rows);
}

async function pump(from: AsyncIterable<Uint8Array>, socket: MessageSocket, to: number): Promise<void> {
  for await (const chunk of from) if (chunk.length > 0) await send(socket, to, chunk);
}

function send(socket: MessageSocket, to: number, bytes: Uint8Array): Promise<void> {
  return socket.send(Buffer.concat([Buffer.from([to]), bytes]));
}

function sendStatus(socket: MessageSocket, status: unknown): Promise<void> {
  return send(socket, channel.error, Buffer.from(JSON.stringify(status)));
}

function outcomeOf(exitCode: number): unknown {
  if (exitCode === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: command terminated with exit code ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}
