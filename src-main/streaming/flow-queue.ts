import { AsyncQueue } from '#base/async-queue';

/** Bytes that may wait for the reader before the writer has to. */
const highBytes = 256 * 1024;

/** Chunks between a writer that waits for its reader and one reader. A reader that stops early frees the writer. */
export class FlowQueue implements AsyncIterable<Uint8Array> {
  readonly #queue = new AsyncQueue<Uint8Array>();
  #waitingBytes = 0;
  #closed = false;
  #wake: (() => void) | undefined;

  /** Resolves when there is room for more. What comes after the end, or after the reader has left, is dropped. */
  async push(chunk: Uint8Array): Promise<void> {
    if (this.#closed || this.#queue.ended || chunk.length === 0) return;
    this.#waitingBytes += chunk.length;
    this.#queue.push(chunk);
    while (this.#waitingBytes > highBytes && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  end(): void {
    this.#queue.end();
  }

  fail(error: unknown): void {
    this.#queue.fail(error);
  }

  /** Nobody will read any more. */
  close(): void {
    this.#closed = true;
    this.#queue.end();
    this.#free();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.#queue) {
        this.#waitingBytes -= chunk.length;
        if (this.#waitingBytes <= highBytes / 2) this.#free();
        yield chunk;
      }
    } finally {
      this.close();
    }
  }

  #free(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
