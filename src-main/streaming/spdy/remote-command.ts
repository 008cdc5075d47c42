import type { ExecOptions, ExecSession } from '#base/streams';
import { outcomeOf } from '../remote-command-client.ts';
import type { SpdyConnection } from './connect.ts';
import type { SpdyStream } from './session.ts';

/** Newest first. With `v4` the error stream carries a Status, and with it the exit code. */
export const remoteCommandSpdyProtocols: readonly string[] = ['v4.channel.k8s.io'];

/**
 * Opens the streams of an exec or attach on a fresh connection (`tools/remotecommand` of client-go, release 1.36): `error`
 * first, then those that were asked for; the server starts the command when it has them all. A failure other than an exit
 * code comes out of `exit` as what `errorOf` makes of the Status.
 */
export async function openRemoteCommand(
  connection: SpdyConnection,
  options: Omit<ExecOptions, 'command'>,
  errorOf: (status: unknown) => Error,
): Promise<ExecSession> {
  const open = (streamtype: string): Promise<SpdyStream> => connection.open({ streamtype });
  const error = await open('error');
  const stdin = options.stdin ? await open('stdin') : undefined;
  const stdout = options.stdout ? await open('stdout') : undefined;
  const stderr = options.stderr && !options.tty ? await open('stderr') : undefined;
  const resizes = options.tty ? await open('resize') : undefined;
  await error.end();
  const exit = outcome(error, errorOf);
  // Whoever reads only the output hears of a broken session by its end.
  exit.catch(() => undefined);
  return {
    stdin: stdin && { write: (chunk) => stdin.write(chunk), end: () => void stdin.end().catch(() => undefined) },
    stdout: untilOver(stdout),
    stderr: untilOver(stderr),
    resize: (columns, rows) => {
      const size = Buffer.from(JSON.stringify({ Width: columns, Height: rows }));
      resizes?.write(size).catch(() => undefined);
    },
    exit,
    close: () => connection.close(),
  };
}

async function outcome(error: SpdyStream, errorOf: (status: unknown) => Error): Promise<{ exitCode: number }> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of error.incoming) chunks.push(chunk);
  } catch (cause) {
    // Servers reset what is left of a session once they have said how it ended.
    if (chunks.length === 0) throw cause;
  }
  return chunks.length === 0 ? { exitCode: 0 } : outcomeOf(Buffer.concat(chunks), errorOf);
}

/** The output of the command. A session that breaks ends it; that it broke is told by `exit`. */
async function* untilOver(stream: SpdyStream | undefined): AsyncGenerator<Uint8Array> {
  if (!stream) return;
  try {
    for await (const chunk of stream.incoming) yield chunk;
  } catch {
    // `exit` rejects with the same.
  }
}
