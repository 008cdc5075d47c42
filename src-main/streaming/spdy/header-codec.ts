import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';
import { SpdyError } from './frames.ts';
import { spdyDictionary } from './dictionary.ts';

/** Lower-case names; several values of one name are joined by NUL, as SPDY has it. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** Room for any sane header block, so that zlib never waits for its reader. */
const bufferBytes = 1024 * 1024;
const options = { dictionary: spdyDictionary, highWaterMark: bufferBytes, chunkSize: 64 * 1024 };

/**
 * Compresses and expands the header blocks of one session. Each direction is one zlib stream from the first block to the
 * last, so blocks must be handed over in their order on the wire, one after the other.
 */
export class HeaderCodec {
  readonly #inflate: Inflate = createInflate(options);
  readonly #deflate: Deflate = createDeflate({ ...options, flush: constants.Z_SYNC_FLUSH });

  /** Throws {@link SpdyError} when the block is damaged. */
  async decode(block: Uint8Array): Promise<SpdyHeaders> {
    return parseBlock(await through(this.#inflate, block));
  }

  async encode(headers: SpdyHeaders): Promise<Buffer> {
    return through(this.#deflate, formatBlock(headers));
  }

  close(): void {
    this.#inflate.destroy();
    this.#deflate.destroy();
  }
}

function through(stream: Inflate | Deflate, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(new SpdyError('PROTOCOL_ERROR', `damaged header block: ${cause.message}`, { cause }));
    stream.once('error', fail);
    stream.write(bytes, () => {
      stream.off('error', fail);
      const output: unknown = stream.read();
      resolve(Buffer.isBuffer(output) ? output : Buffer.alloc(0));
    });
  });
}

/** `count, (length, name, length, value)*`, every number 32 bits. */
function parseBlock(block: Buffer): SpdyHeaders {
  let at = 0;
  const number = (): number => {
    if (at + 4 > block.length) throw new SpdyError('PROTOCOL_ERROR', 'a header block ends early');
    at += 4;
    return block.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > block.length) throw new SpdyError('PROTOCOL_ERROR', 'a header block ends early');
    at += length;
    return block.toString('utf8', at - length, at);
  };
  const headers: Record<string, string> = {};
  for (let left = number(); left > 0; left--) {
    const name = text();
    headers[name.toLowerCase()] = text();
  }
  return headers;
}

function formatBlock(headers: SpdyHeaders): Buffer {
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const text = (value: string): Buffer[] => [number(Buffer.byteLength(value)), Buffer.from(value)];
  const entries = Object.entries(headers);
  return Buffer.concat([
    number(entries.length),
    ...entries.flatMap(([name, value]) => [...text(name), ...text(value)]),
  ]);
}
