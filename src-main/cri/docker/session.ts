import type { Duplex } from 'node:stream';
import { AsyncQueue } from '#base/async-queue';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { ExecSession } from '#base/streams';
import { CriError } from '../cri.ts';

/** Above this many unread bytes the engine's connection is not read on. */
const highWaterBytes = 1024 * 1024;

/** How a hijacked connection came to its end, by what the engine knows of the process behind it. */
export interface Ending {
  readonly exitCode: number;
}

export interface SessionOptions {
  readonly stream: Duplex;
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Whether the process was never started: then the engine's answer is not its output but why. */
  readonly neverStarted: (context: Context) => Promise<boolean>;
  /** Asked once the output has ended. */
  readonly ending: (context: Context) => Promise<Ending>;
  readonly resize: (columns: number, rows: number) => void;
}

/** The streams of a process in a container, over one connection taken out of HTTP. `context` ends it as long as it lasts. */
export function openSession(context: Context, options: SessionOptions): ExecSession {
  const { stream } = options;
  const output = new Output(stream, options.tty);
  const stop = context.onEnd(() => stream.destroy());
  const exit = (async (): Promise<Ending> => {
    try {
      const text = await output.pump(() => options.neverStarted(context));
      if (text !== undefined) throw new CriError('Unknown', text);
      return await options.ending(context);
    } catch (error) {
      if (context.ended) throw new CancelledError(context.endedBy ?? 'cancelled');
      throw error;
    } finally {
      stop.dispose();
      stream.destroy();
    }
  })();
  // Whoever wants the exit code looks at it; a session that is only written to must not end the process.
  exit.catch(() => undefined);
  return {
    stdin: options.stdin ? { write: (chunk) => writeTo(stream, chunk), end: () => stream.end() } : undefined,
    stdout: output.stdout,
    stderr: output.stderr,
    resize: options.resize,
    exit,
    close: () => stream.destroy(),
  };
}

function writeTo(stream: Duplex, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => {
      if (error) reject(new CriError('Unavailable', `the connection broke: ${error.message}`, { cause: error }));
      else resolve();
    });
  });
}

/** Splits the engine's multiplexed stream: 8 bytes of header (stream number, length), then the payload. */
class Output {
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  readonly #stream: Duplex;
  readonly #tty: boolean;
  readonly #queues: readonly [AsyncQueue<Uint8Array>, AsyncQueue<Uint8Array>];
  #rest: Buffer = Buffer.alloc(0);
  #unread = 0;
  #drained: (() => void) | undefined;

  constructor(stream: Duplex, tty: boolean) {
    this.#stream = stream;
    this.#tty = tty;
    stream.once('close', () => this.#drained?.());
    // A reader that goes away must not hold up the other stream.
    const dropped = (): void => this.#read(this.#unread);
    this.#queues = [new AsyncQueue<Uint8Array>(dropped), new AsyncQueue<Uint8Array>(dropped)];
    this.stdout = this.#reader(this.#queues[0]);
    this.stderr = this.#reader(this.#queues[1]);
  }

  /** Reads to the end. Returns why the process was never started, or undefined. Throws CriError when the connection breaks. */
  async pump(neverStarted: () => Promise<boolean>): Promise<string | undefined> {
    let refusal: Buffer[] | undefined;
    let isFirst = true;
    try {
      for await (const chunk of this.#stream as AsyncIterable<Buffer>) {
        if (isFirst && (await neverStarted())) refusal = [];
        isFirst = false;
        for (const [to, payload] of this.#take(chunk)) {
          if (refusal) refusal.push(payload);
          else this.#push(to, payload);
        }
        if (this.#unread >= highWaterBytes) await new Promise<void>((resolve) => (this.#drained = resolve));
      }
    } catch (error) {
      const broken = error instanceof CriError ? error : lost(error);
      for (const queue of this.#queues) queue.fail(broken);
      throw broken;
    }
    for (const queue of this.#queues) queue.end();
    return refusal && Buffer.concat(refusal).toString('utf8').trim();
  }

  #take(chunk: Buffer): readonly (readonly [0 | 1, Buffer])[] {
    if (this.#tty) return [[0, chunk]];
    const payloads: (readonly [0 | 1, Buffer])[] = [];
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (bytes.length >= 8) {
      const end = 8 + bytes.readUInt32BE(4);
      if (bytes.length < end) break;
      payloads.push([bytes[0] === 2 ? 1 : 0, bytes.subarray(8, end)]);
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
    return payloads;
  }

  #push(to: 0 | 1, payload: Buffer): void {
    this.#queues[to].push(payload);
    this.#unread += payload.length;
  }

  async *#reader(queue: AsyncQueue<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of queue) {
      this.#read(chunk.length);
      yield chunk;
    }
  }

  #read(bytes: number): void {
    this.#unread -= bytes;
    if (this.#unread < highWaterBytes) this.#drained?.();
  }
}

function lost(error: unknown): CriError {
  return new CriError('Unavailable', `the connection to the Docker Engine broke: ${messageOf(error)}`, {
    cause: error,
  });
}
