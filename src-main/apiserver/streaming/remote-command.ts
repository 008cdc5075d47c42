import { messageOf } from '#base/errors';
import type { ExecOptions, ExecSession } from '#base/streams';
import { StatusError } from '#api/machinery/status';
import { isTrue } from '../http/request-info.ts';
import type { UpgradedSocket } from '../request.ts';
import { channel } from './channels.ts';

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

/** Reads `PodExecOptions` and `PodAttachOptions` off a query. Throws BadRequest. */
export function execOptionsOf(query: URLSearchParams, subresource: string): ExecOptions {
  const on = (name: string): boolean => isTrue(query.get(name));
  const tty = on('tty');
  const options = {
    command: query.getAll('command'),
    ...{ tty, stdin: on('stdin'), stdout: on('stdout'), stderr: on('stderr') && !tty },
  };
  if (!options.stdin && !options.stdout && !on('stderr')) {
    throw new StatusError('BadRequest', 'you must specify at least 1 of stdin, stdout, stderr');
  }
  if (subresource === 'exec' && options.command.length === 0) {
    throw new StatusError('BadRequest', 'you must specify at least one command for the exec');
  }
  return options;
}

/**
 * Carries one session until the command ends or the client goes away. `open` starts it once the client is connected: what
 * goes wrong from then on is told on the error channel.
 */
export async function serveRemoteCommand(
  socket: UpgradedSocket,
  options: ExecOptions,
  open: () => Promise<ExecSession>,
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
    await sendStatus(socket, failureOf(error));
    return;
  }
  const reading = readClient(socket, session);
  try {
    await Promise.all([pump(session.stdout, socket, channel.stdout), pump(session.stderr, socket, channel.stderr)]);
    await sendStatus(socket, outcomeOf((await session.exit).exitCode));
  } catch (error) {
    // Of a client that went away there is nobody left to tell.
    if (!reading.gone) await sendStatus(socket, failureOf(error));
  } finally {
    session.close();
  }
}

/** Hands the client's messages to the session until the client goes away, which ends the session. */
function readClient(socket: UpgradedSocket, session: ExecSession): { readonly gone: boolean } {
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

async function pump(from: AsyncIterable<Uint8Array>, socket: UpgradedSocket, to: number): Promise<void> {
  for await (const chunk of from) if (chunk.length > 0) await send(socket, to, chunk);
}

function send(socket: UpgradedSocket, to: number, bytes: Uint8Array): Promise<void> {
  return socket.send(Buffer.concat([Buffer.from([to]), bytes]));
}

function sendStatus(socket: UpgradedSocket, status: unknown): Promise<void> {
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

function failureOf(error: unknown): unknown {
  if (error instanceof StatusError) return error.toStatus();
  return new StatusError('InternalError', `Internal error occurred: ${messageOf(error)}`, {
    causes: [{ message: messageOf(error) }],
  }).toStatus();
}
