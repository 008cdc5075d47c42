import { encodeKey } from '../byte-string.ts';
import { prefixBytes } from './grpc/framing.ts';

const firstBytes = 64 * 1024;
/** A buffer that grew beyond this for one message is not kept. */
const keptBytes = 4 * 2 ** 20;

/**
 * Writes a protobuf message from its end to its start, so that the length of what lies inside is known when its tag is
 * written: one pass, one copy. Fields go in with the highest number first. Proto3's defaults are left out.
 */
export class BackwardWriter {
  #buffer = Buffer.allocUnsafe(firstBytes);
  /** First byte written. */
  #at = firstBytes;

  /** Bytes so far: what {@link close} wants as the mark of a message that begins here. */
  get length(): number {
    return this.#buffer.length - this.#at;
  }

  /** A field of a whole number from 0 to 2^53. */
  uint(field: number, value: number): void {
    if (value === 0) return;
    this.#varint(value);
    this.#varint(field << 3);
  }

  /** An int64 field. */
  int64(field: number, value: bigint): void {
    if (value === 0n) return;
    let rest = BigInt.asUintN(64, value);
    const bytes: number[] = [];
    for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    bytes.push(Number(rest));
    this.encoded(Uint8Array.from(bytes));
    this.#varint(field << 3);
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.length === 0) return;
    this.encoded(value);
    this.#varint(value.length);
    this.#varint((field << 3) | 2);
  }

  key(field: number, text: string): void {
    if (Buffer.byteLength(text, 'utf8') !== text.length) {
      this.bytes(field, encodeKey(text));
      return;
    }
    this.#reserve(text.length);
    this.#at -= text.length;
    this.#buffer.write(text, this.#at, 'latin1');
    this.#varint(text.length);
    this.#varint((field << 3) | 2);
  }

  /** Makes what was written since `mark` the message of `field`. */
  close(field: number, mark: number): void {
    this.#varint(this.length - mark);
    this.#varint((field << 3) | 2);
  }

  /** The whole message with its gRPC prefix. The writer is empty then. */
  finish(): Buffer {
    const { length } = this;
    const framed = Buffer.allocUnsafe(prefixBytes + length);
    framed[0] = 0;
    framed.writeUInt32BE(length, 1);
    framed.set(this.#buffer.subarray(this.#at), prefixBytes);
    if (this.#buffer.length > keptBytes) this.#buffer = Buffer.allocUnsafe(firstBytes);
    this.#at = this.#buffer.length;
    return framed;
  }

  /** Bytes that are fields already. */
  encoded(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#at -= bytes.length;
    this.#buffer.set(bytes, this.#at);
  }

  #varint(value: number): void {
    const size = value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 8;
    this.#reserve(size);
    if (size < 8) {
      this.#at -= size;
      let rest = value;
      for (let i = 0; i < size - 1; i++, rest >>>= 7) this.#buffer[this.#at + i] = (rest & 127) | 128;
      this.#buffer[this.#at + size - 1] = rest;
      return;
    }
    const bytes: number[] = [];
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
    bytes.push(rest);
    this.#at -= bytes.length;
    this.#buffer.set(bytes, this.#at);
  }

  #reserve(bytes: number): void {
    if (this.#at >= bytes) return;
    const { length } = this;
    const grown = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, 2 * (length + bytes)));
    grown.set(this.#buffer.subarray(this.#at), grown.length - length);
    this.#buffer = grown;
    this.#at = grown.length - length;
  }
}
