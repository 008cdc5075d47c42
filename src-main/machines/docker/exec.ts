import type { Duplex } from 'node:stream';
import type { Clock } from '#base/clock';
import { AsyncQueue } from '#base/async-queue';
import type { Context } from '#base/context';
import type { ExecSession } from '#base/streams';
import { MachineError } from '../errors.ts';
import type { DockerEngine } from './engine.ts';

/** Above this many unread bytes the engine's connection is not read on. */
const highWaterBytes = 1024 * 1024;

/**
 * A command in a container (`docker exec`). Its standard input ends when this process dies, because the engine then sees the
 * connection end: a command that must not outlive Drydock waits for that. The engine cannot kill it otherwise.
 */
export async function execInContainer(
  context: Context,
  options: {
    readonly engine: DockerEngine;
    readonly clock: Clock;
    readonly container: string;
    readonly command: readonly string[];
    readonly stdin: boolean;
  },
): Promise<ExecSession> {
  const { engine, container, command, stdin } = options;
  const { exec, stream } = await engine.call(context, `run ${command[0] ?? ''} in ${container}`, async (docker) => {
    const created = await docker.getContainer(container).exec({
      Cmd: [...command],
      AttachStdin: stdin,
      AttachStdout: true,
      AttachStderr: true,
    });
    return { exec: created, stream: await created.start({ hijack: true, stdin: true }) };
  });
  const streams = new DemuxedStreams(stream);
  if (!stdin) stream.end();
  const exit = streams.ended.then(async () => {
    const life = context.ended ? undefined : context;
    const ended = await endOfExec(options.clock, engine, life, exec);
    if (ended.neverStarted)
      throw new MachineError('INVALID', streams.firstText() || `cannot start ${command[0] ?? ''}`);
    return { exitCode: ended.exitCode };
  });
  // Whoever wants the exit code looks at it; a session that is only written to must not end the process.
  exit.catch(() => undefined);
  const end = context.onEnd(() => stream.destroy());
  stream.once('close', () => end.dispose());
  return {
    stdin: stdin ? { write: (chunk) => writeTo(stream, chunk), end: () => stream.end() } : undefined,
    stdout: streams.stdout,
    stderr: streams.stderr,
    resize: () => undefined,
    exit,
    close: () => stream.destroy(),
  };
}

function writeTo(stream: Duplex, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

/** The engine closes the streams a moment before it knows the exit code. */
async function endOfExec(
  clock: Clock,
  engine: DockerEngine,
  context: Context | undefined,
  exec: { inspect(): Promise<{ Running: boolean; ExitCode: number | null; Pid: number }> },
): Promise<{ readonly exitCode: number; readonly neverStarted: boolean }> {
  if (!context) throw new MachineError('FAILED', 'the command was let go of');
  for (let tries = 0; ; tries++) {
    const facts = await engine.call(context, 'ask for an exit code', () => exec.inspect());
    if (!facts.Running && facts.ExitCode !== null) {
      return { exitCode: facts.ExitCode, neverStarted: facts.Pid === 0 && facts.ExitCode >= 126 };
    }
    // A command whose streams were taken over by a child of it goes on without us.
    if (tries === 100) throw new MachineError('FAILED', 'the connection to the command broke');
    await clock.sleep(context, 20);
  }
}

/** Splits the engine's multiplexed stream: 8 bytes of header (stream number, length), then the payload. */
class DemuxedStreams {
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  /** Resolves when the command's output has ended, however. */
  readonly ended: Promise<void>;
  readonly #queues: readonly [AsyncQueue<Uint8Array>, AsyncQueue<Uint8Array>];
  readonly #stream: Duplex;
  #rest: Buffer = Buffer.alloc(0);
  #unread = 0;
  #first = '';

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#queues = [new AsyncQueue(), new AsyncQueue()];
    this.stdout = this.#reader(this.#queues[0]);
    this.stderr = this.#reader(this.#queues[1]);
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    this.ended = new Promise((resolve) => {
      const end = (error?: Error): void => {
        for (const queue of this.#queues) {
          if (error)
            queue.fail(new MachineError('UNREACHABLE', `the connection to the command broke: ${error.message}`));
          else queue.end();
        }
        resolve();
      };
      stream.once('end', () => end());
      stream.once('error', end);
      stream.once('close', () => end());
    });
  }

  /** What was said first, on either stream: the runtime's own words when a command cannot be started. */
  firstText(): string {
    return this.#first.trim();
  }

  async *#reader(queue: AsyncQueue<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of queue) {
      this.#unread -= chunk.length;
      if (this.#unread < highWaterBytes) this.#stream.resume();
      yield chunk;
    }
  }

  #take(chunk: Buffer): void {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 8) {
      const length = bytes.readUInt32BE(4);
      if (bytes.length < 8 + length) break;
      const payload = bytes.subarray(8, 8 + length);
      if (this.#first.length < 1000) this.#first += payload.toString('utf8');
      this.#queues[bytes[0] === 2 ? 1 : 0].push(payload);
      this.#unread += length;
      bytes = bytes.subarray(8 + length);
    }
    this.#rest = bytes;
    if (this.#unread >= highWaterBytes) this.#stream.pause();
  }
}
