import type { Readable, Writable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { AsyncQueue } from '#base/async-queue';
import type { ByteStream, ExecSession } from '#base/streams';
import { MachineError } from '../errors.ts';

/** Bytes kept for a reader that does not read before the SSH window is left to fill up. */
const windowBytes = 256 * 1024;

/** Why reads and writes fail once the connection is lost; undefined while it stands. */
export type Lost = () => Error | undefined;

/**
 * What `source` gives, with back-pressure. Leaving a loop stops reading and nothing else: another loop reads the rest. Ends
 * with the stream, throws when the stream ended because the connection did.
 */
export function readChannel(source: Readable, lost: Lost): AsyncIterable<Uint8Array> {
  const queue = new AsyncQueue<Uint8Array>();
  let pendingBytes = 0;
  const finish = (): void => {
    const error = lost();
    if (error) queue.fail(error);
    else queue.end();
  };
  source.on('data', (chunk: Uint8Array) => {
    queue.push(chunk);
    pendingBytes += chunk.byteLength;
    if (pendingBytes > windowBytes) source.pause();
  });
  source.once('end', finish);
  source.once('close', finish);
  source.once('error', (error) => queue.fail(error));
  const iterator = queue[Symbol.asyncIterator]();
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const result = await iterator.next();
    if (!result.done) {
      pendingBytes -= result.value.byteLength;
      if (pendingBytes <= windowBytes && source.isPaused()) source.resume();
    }
    return result;
  };
  return { [Symbol.asyncIterator]: () => ({ next }) };
}

/** Resolves when ssh2 has put the chunk on the wire, rejects when it cannot any more. */
function writeChannel(sink: Writable, chunk: Uint8Array, lost: Lost): Promise<void> {
  const broken = lost();
  if (broken) return Promise.reject(broken);
  if (!sink.writable) return Promise.reject(new Error('EPIPE: the stream was ended'));
  return new Promise((resolve, reject) => {
    // A closed channel never calls back.
    const onClose = (): void => reject(lost() ?? new Error('EPIPE: the other end closed the stream'));
    sink.once('close', onClose);
    sink.write(chunk, (error) => {
      sink.removeListener('close', onClose);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** A forwarded TCP connection. */
export function channelStream(channel: ClientChannel, lost: Lost): ByteStream {
  // ssh2 reports a write to a closed channel as an event too; the write itself has rejected.
  channel.on('error', () => channel.destroy());
  return {
    incoming: readChannel(channel, lost),
    write: (chunk) => writeChannel(channel, chunk, lost),
    end: () => void channel.end(),
    destroy: () => {
      channel.close();
      channel.destroy();
    },
  };
}

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGABRT: 6,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
};

/** A command on the machine. A signal's exit code is 128 and its number, as in a shell. */
export function channelSession(channel: ClientChannel, options: { readonly stdin: boolean }, lost: Lost): ExecSession {
  channel.on('error', () => channel.destroy());
  const exit = new Promise<{ readonly exitCode: number }>((resolve, reject) => {
    channel.once('exit', (code: number | null, signal?: string) =>
      resolve({ exitCode: code ?? 128 + (signalNumbers[signal ?? ''] ?? 0) }),
    );
    channel.once('close', () =>
      reject(lost() ?? new MachineError('FAILED', 'The command ended without an exit code: its session was closed')),
    );
  });
  // Whoever only reads the output need not look at it.
  exit.catch(() => undefined);
  if (!options.stdin) channel.end();
  return {
    stdin: options.stdin
      ? { write: (chunk) => writeChannel(channel, chunk, lost), end: () => void channel.end() }
      : undefined,
    stdout: readChannel(channel, lost),
    stderr: readChannel(channel.stderr, lost),
    resize: () => undefined,
    exit,
    close: () => {
      channel.signal('TERM');
      channel.close();
    },
  };
}
