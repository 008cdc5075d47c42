import { CodedError } from '#base/errors';

/** SPDY/3.1 frames on the wire (SPDY protocol draft 3.1, section 2.2). */

export const controlType = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export const flagFin = 0x01;
const version = 3;
const headLength = 8;
/** Frames from kubectl are far smaller; more than this is no SPDY. */
const maxFrameBytes = 8 * 1024 * 1024;

export type Frame =
  | { readonly kind: 'data'; readonly streamId: number; readonly flags: number; readonly payload: Buffer }
  | { readonly kind: 'control'; readonly type: number; readonly flags: number; readonly payload: Buffer };

/** `PROTOCOL_ERROR`: the other end broke the protocol or the session. `REFUSED`: it answered, but not with SPDY. */
export class SpdyError extends CodedError<'PROTOCOL_ERROR' | 'REFUSED'> {
  override readonly name = 'SpdyError';
}

/** Cuts bytes, however they arrive, into frames. */
export class FrameParser {
  #pending: Buffer = Buffer.alloc(0);

  /** The frames that `chunk` completes. Throws {@link SpdyError}. */
  push(chunk: Uint8Array): readonly Frame[] {
    this.#pending = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    const frames: Frame[] = [];
    let at = 0;
    while (this.#pending.length - at >= headLength) {
      const length = this.#pending.readUIntBE(at + 5, 3);
      if (length > maxFrameBytes) throw new SpdyError('PROTOCOL_ERROR', `a frame of ${length} bytes`);
      if (this.#pending.length - at < headLength + length) break;
      frames.push(parseFrame(this.#pending.subarray(at, at + headLength + length)));
      at += headLength + length;
    }
    this.#pending = this.#pending.subarray(at);
    return frames;
  }
}

function parseFrame(bytes: Buffer): Frame {
  const flags = bytes.readUInt8(4);
  const payload = bytes.subarray(headLength);
  const first = bytes.readUInt32BE(0);
  if (first < 0x8000_0000) return { kind: 'data', streamId: first, flags, payload };
  const theirs = (first >>> 16) & 0x7fff;
  if (theirs !== version) throw new SpdyError('PROTOCOL_ERROR', `SPDY version ${theirs}; only 3 is spoken here`);
  return { kind: 'control', type: first & 0xffff, flags, payload };
}

export function dataFrame(streamId: number, payload: Uint8Array, flags = 0): Buffer {
  return Buffer.concat([head(streamId, flags, payload.length), payload]);
}

export function controlFrame(type: number, payload: Uint8Array, flags = 0): Buffer {
  return Buffer.concat([head((0x8000_0000 | (version << 16) | type) >>> 0, flags, payload.length), payload]);
}

/** Control frames whose payload is 32 bit numbers: RST_STREAM, PING, GOAWAY. */
export function numbersFrame(type: number, ...numbers: readonly number[]): Buffer {
  const payload = Buffer.alloc(numbers.length * 4);
  numbers.forEach((number, index) => payload.writeUInt32BE(number >>> 0, index * 4));
  return controlFrame(type, payload);
}

function head(first: number, flags: number, length: number): Buffer {
  const bytes = Buffer.alloc(headLength);
  bytes.writeUInt32BE(first, 0);
  bytes.writeUInt8(flags, 4);
  bytes.writeUIntBE(length, 5, 3);
  return bytes;
}
