import { AsyncQueue } from '#base/async-queue';
import type { Socket, SocketAddress } from '#base/streams';
import type { StreamLink } from './stream-link.ts';

/** Bytes one end may have on the way before `write` waits for the other end to read. */
const windowBytes = 256 * 1024;

class PipeEnd implements Socket {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  peer: PipeEnd | undefined;
  /** From this end to the other. */
  readonly #link: StreamLink;
  readonly #queue = new AsyncQueue<Uint8Array>();
  readonly #onClose: () => void;
  #pendingBytes = 0;
  #drained: (() => void)[] = [];
  #ended = false;
  #error: Error | undefined;
  readonly incoming: AsyncIterable<Uint8Array>;

  constructor(local: SocketAddress, remote: SocketAddress, link: StreamLink, onClose: () => void) {
    this.local = local;
    this.remote = remote;
    this.#link = link;
    this.#onClose = onClose;
    this.incoming = this.#read();
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#error) throw this.#error;
    if (this.#ended) throw new Error('EPIPE: the socket was ended by this side');
    const peer = this.peer;
    if (!peer || chunk.byteLength === 0) return;
    peer.#pendingBytes += chunk.byteLength;
    this.#link.carry(chunk.byteLength, () => peer.#queue.push(chunk));
    if (peer.#pendingBytes <= windowBytes) return;
    await new Promise<void>((resolve) => peer.#drained.push(resolve));
    if (this.#error) throw this.#error;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const { peer } = this;
    if (!peer) return;
    this.#link.carry(0, () => peer.#queue.end());
    if (peer.#ended) this.#onClose();
  }

  destroy(error?: Error): void {
    this.#fail(error ?? new Error('ECONNRESET: connection reset'));
    const { peer } = this;
    if (peer) this.#link.carry(0, () => peer.#fail(error ?? new Error('ECONNRESET: connection reset by peer')));
    this.#onClose();
  }

  #fail(error: Error): void {
    if (this.#error) return;
    this.#error = error;
    this.#queue.fail(error);
    this.#release();
  }

  #release(): void {
    const drained = this.#drained;
    this.#drained = [];
    for (const resume of drained) resume();
  }

  /** Leaving a loop over `incoming` stops reading and nothing else: the rest can be read by another loop. */
  #read(): AsyncIterable<Uint8Array> {
    const iterator = this.#queue[Symbol.asyncIterator]();
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      const result = await iterator.next();
      if (!result.done) {
        this.#pendingBytes -= result.value.byteLength;
        if (this.#pendingBytes <= windowBytes) this.#release();
      }
      return result;
    };
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }
}

/**
 * Two ends of one TCP connection inside the process, with back-pressure. `onClose` is called when both ends are done. Each
 * direction has a link that carries it.
 */
export function socketPair(
  client: SocketAddress,
  server: SocketAddress,
  links: { readonly out: StreamLink; readonly back: StreamLink },
  onClose: () => void,
): [Socket, Socket] {
  const near = new PipeEnd(client, server, links.out, onClose);
  const far = new PipeEnd(server, client, links.back, onClose);
  near.peer = far;
  far.peer = near;
  return [near, far];
}
