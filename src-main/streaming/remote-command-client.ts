import type { ExecOptions, ExecSession } from '#base/streams';
import { channel } from './channels.ts';
import { FlowQueue } from './flow-queue.ts';
import type { MessageSocket } from './message-socket.ts';

/** What the error channel carries: a `metav1.Status` of which only this much is read here. */
interface ErrorChannelStatus {
  readonly status?: string;
  readonly reason?: string;
  readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
}

/**
 * The client's end of `exec` and `attach` over `v5.channel.k8s.io` (`client-go/tools/remotecommand`, release 1.36). A
 * failure other than an exit code comes out of `exit` as what `errorOf` makes of the Status.
 */
export function remoteCommandSession(
  socket: MessageSocket,
  options: Omit<ExecOptions, 'command'>,
  errorOf: (status: unknown) => Error,
): ExecSession {
  const [stdout, stderr] = [new FlowQueue(), new FlowQueue()];
  const exit = readServer(socket, stdout, stderr, errorOf).finally(() => {
    stdout.end();
    stderr.end();
    socket.close(1000);
  });
  exit.catch(() => undefined); // whoever awaits `exit` hears of it; until then it is not unhandled
  const send = (to: number, bytes: Uint8Array): Promise<void> => socket.send(Buffer.concat([Buffer.from([to]), bytes]));
  const tell = (to: number, bytes: Uint8Array): void => {
    // A connection that is gone is reported by `exit`.
    send(to, bytes).catch(() => undefined);
  };
  return {
    stdin: options.stdin
      ? {
          write: (chunk) => send(channel.stdin, chunk),
          end: () => tell(channel.close, Buffer.from([channel.stdin])),
        }
      : undefined,
    ...{ stdout, stderr, exit },
    resize: (columns, rows) => tell(channel.resize, Buffer.from(JSON.stringify({ Width: columns, Height: rows }))),
    close: () => {
      stdout.close();
      stderr.close();
      socket.close(1000);
    },
  };
}

/** Resolves with the exit code that the server tells; rejects when the connection ends without one. */
async function readServer(
  socket: MessageSocket,
  stdout: FlowQueue,
  stderr: FlowQueue,
  errorOf: (status: unknown) => Error,
): Promise<{ readonly exitCode: number }> {
  for await (const message of socket.messages) {
    const payload = message.subarray(1);
    if (message[0] === channel.stdout) await stdout.push(payload);
    else if (message[0] === channel.stderr) await stderr.push(payload);
    else if (message[0] === channel.error && payload.length > 0) return outcomeOf(payload, errorOf);
  }
  throw new Error('the connection ended before the command did');
}

/** How a command ended, by the last words of the error channel. Throws what `errorOf` makes of any other Status. */
export function outcomeOf(payload: Uint8Array, errorOf: (status: unknown) => Error): { readonly exitCode: number } {
  const status = JSON.parse(Buffer.from(payload).toString('utf8')) as ErrorChannelStatus;
  if (status.status === 'Success') return { exitCode: 0 };
  const cause = status.details?.causes?.find((item) => item.reason === 'ExitCode');
  if (status.reason === 'NonZeroExitCode' && cause?.message !== undefined) return { exitCode: Number(cause.message) };
  throw errorOf(status);
}
