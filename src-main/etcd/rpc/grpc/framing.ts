import { GrpcError } from './status.ts';

/** Before each message: a byte that tells whether it is compressed, and its length, 32 bit, big endian. */
export const prefixBytes = 5;

/** The message with its prefix, as it goes over the wire. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(prefixBytes + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, prefixBytes);
  return framed;
}

/** Cuts what comes in into messages. */
export class FrameReader {
  readonly #maxBytes: number;
  /** What came of a message that is not whole yet, and how many bytes it takes to go on. */
  #chunks: Buffer[] = [];
  #size = 0;
  #needed = prefixBytes;

  /** A message longer than `maxBytes` is an error as soon as its length is known. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The messages that `chunk` completes. Throws GrpcError for a compressed or too large one. */
  push(chunk: Buffer): Buffer[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    // A large message comes in many chunks: put together once, at its end.
    if (this.#size < this.#needed) return [];
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#size);
    const messages: Buffer[] = [];
    let at = 0;
    this.#needed = prefixBytes;
    while (bytes.length - at >= prefixBytes) {
      const end = at + prefixBytes + this.#lengthAt(bytes, at);
      if (end > bytes.length) {
        this.#needed = end - at;
        break;
      }
      messages.push(bytes.subarray(at + prefixBytes, end));
      at = end;
    }
    this.#size = bytes.length - at;
    this.#chunks = this.#size > 0 ? [bytes.subarray(at)] : [];
    return messages;
  }

  #lengthAt(bytes: Buffer, at: number): number {
    // No compression is offered (`grpc-accept-encoding` is absent), so nobody may use it.
    if (bytes[at] !== 0) {
      throw new GrpcError('INTERNAL', 'grpc: compressed flag set with identity or empty encoding');
    }
    const length = bytes.readUInt32BE(at + 1);
    if (length > this.#maxBytes) {
      throw new GrpcError(
        'RESOURCE_EXHAUSTED',
        `grpc: received message larger than max (${length} vs. ${this.#maxBytes})`,
      );
    }
    return length;
  }
}
