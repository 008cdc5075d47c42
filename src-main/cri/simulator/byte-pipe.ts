import { CancelledError } from '#base/errors';
import type { Context } from '#base/context';

/** Where a process writes. Resolves when the bytes were taken; throws {@link BrokenPipeError} when nobody reads any more. */
export interface ByteOutput {
  write(chunk: Uint8Array): void | Promise<void>;
}

/** Where a process reads. */
export interface ByteInput {
  /** The next bytes, or undefined at the end. Throws CancelledError when `context` ends first. */
  read(context: Context): Promise<Uint8Array | undefined>;
  /** Puts bytes back in front, for readers that took more than they used. */
  unread(chunk: Uint8Array): void;
}

/** The reader has gone: what SIGPIPE tells a Unix process. */
export class BrokenPipeError extends Error {
  override readonly name = 'BrokenPipeError';
}

/** What Linux lets a pipe hold. */
const capacityBytes = 64 * 1024;

/** A pipe with back-pressure between one writing and one reading side. */
export class BytePipe implements ByteInput, ByteOutput {
  /** An empty chunk stands for an end of file that a terminal's ^D makes: one read sees it, later ones read on. */
  #chunks: Uint8Array[] = [];
  #held = 0;
  #ended = false;
  #closed = false;
  #readable: (() => void) | undefined;
  #writable: (() => void)[] = [];

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#closed) throw new BrokenPipeError('broken pipe');
    if (chunk.length === 0 || this.#ended) return;
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    this.#wakeReader();
    while (this.#held > capacityBytes && !this.#closed)
      await new Promise<void>((resolve) => this.#writable.push(resolve));
    if (this.#closed) throw new BrokenPipeError('broken pipe');
  }

  /** Makes one read see the end, as ^D on a terminal does. */
  endOnce(): void {
    this.#chunks.push(new Uint8Array(0));
    this.#wakeReader();
  }

  /** No more will be written. */
  end(): void {
    this.#ended = true;
    this.#wakeReader();
  }

  /** No more will be read: writers get {@link BrokenPipeError}. */
  close(): void {
    this.#closed = true;
    this.#chunks = [];
    this.#held = 0;
    this.#wakeReader();
    this.#wakeWriters();
  }

  async read(context: Context): Promise<Uint8Array | undefined> {
    for (;;) {
      context.check();
      const chunk = this.#chunks.shift();
      if (chunk) {
        this.#held -= chunk.length;
        if (this.#held <= capacityBytes) this.#wakeWriters();
        return chunk.length === 0 ? undefined : chunk;
      }
      if (this.#ended || this.#closed) return undefined;
      await this.#waitReadable(context);
    }
  }

  unread(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.unshift(chunk);
    this.#held += chunk.length;
  }

  /** Reads until the end, for consumers outside a process. */
  async *drain(context: Context): AsyncGenerator<Uint8Array> {
    for (let chunk = await this.read(context); chunk; chunk = await this.read(context)) yield chunk;
  }

  #waitReadable(context: Context): Promise<void> {
    return new Promise((resolve, reject) => {
      const registration = context.onEnd(() => {
        this.#readable = undefined;
        reject(new CancelledError(context.endedBy ?? 'cancelled'));
      });
      this.#readable = () => {
        registration.dispose();
        resolve();
      };
    });
  }

  #wakeReader(): void {
    const wake = this.#readable;
    this.#readable = undefined;
    wake?.();
  }

  #wakeWriters(): void {
    const waiting = this.#writable;
    this.#writable = [];
    for (const wake of waiting) wake();
  }
}

/** An input that is at its end from the start: `/dev/null`. */
export const emptyInput: ByteInput = { read: async () => undefined, unread: () => {} };

/** Takes everything and keeps nothing. */
export const nullOutput: ByteOutput = { write: () => {} };

/** Everything that is left of `input`. */
export async function readAll(input: ByteInput, context: Context): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let chunk = await input.read(context); chunk; chunk = await input.read(context)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** One line without its line feed; undefined at the end. `terminated` tells whether the line feed was there. */
export async function readLine(
  input: ByteInput,
  context: Context,
): Promise<{ readonly text: string; readonly terminated: boolean } | undefined> {
  const chunks: Uint8Array[] = [];
  for (let chunk = await input.read(context); chunk; chunk = await input.read(context)) {
    const end = chunk.indexOf(10);
    if (end >= 0) {
      input.unread(chunk.subarray(end + 1));
      chunks.push(chunk.subarray(0, end));
      return { text: Buffer.concat(chunks).toString('utf8'), terminated: true };
    }
    chunks.push(chunk);
  }
  return chunks.length === 0 ? undefined : { text: Buffer.concat(chunks).toString('utf8'), terminated: false };
}

export function encodeText(text: string): Uint8Array {
  return Buffer.from(text, 'utf8');
}
