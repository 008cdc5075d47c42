import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { FrameReader, frame } from '#etcd/rpc/grpc/framing';
import { encodeMessage, decodeMessage } from '#etcd/rpc/schema';
import { methods, type RpcMethod } from '#etcd/rpc/methods';

const windowBytes = 8 * 2 ** 20;

/** As little of a gRPC client as a measurement needs, so that the server is what is measured. */
export class GrpcClient {
  readonly #session: ClientHttp2Session;

  constructor(endpoint: string) {
    const settings = { initialWindowSize: windowBytes };
    this.#session = connect(endpoint, { rejectUnauthorized: false, settings });
    // The calls under way fail with it.
    this.#session.on('error', () => {});
    this.#session.once('connect', () => this.#session.setLocalWindowSize(4 * windowBytes));
  }

  /** The response's bytes. */
  call(method: RpcMethod, framed: Buffer): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const stream = this.#open(method);
      const chunks: Buffer[] = [];
      let status = '';
      stream.on('response', (headers) => (status ||= String(headers['grpc-status'] ?? '')));
      stream.on('trailers', (headers) => {
        status = String(headers['grpc-status']);
        if (status !== '0') reject(new Error(`${method.path}: ${String(headers['grpc-message'])}`));
      });
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('end', () => {
        const [only] = chunks;
        const bytes = chunks.length === 1 && only ? only : Buffer.concat(chunks);
        if (bytes.length > 0) resolve(bytes.subarray(5));
        else reject(new Error(`${method.path}: no answer, status ${status}`));
      });
      stream.end(framed);
    });
  }

  put(key: string, value: Uint8Array): Promise<Buffer> {
    return this.call(methods.kv.put, frame(encodeMessage('PutRequest', { key: Buffer.from(key), value })));
  }

  async revision(): Promise<number> {
    const request = frame(encodeMessage('RangeRequest', { key: Buffer.from('\0'), count_only: true }));
    const answer = await this.call(methods.kv.range, request);
    return Number(decodeMessage<{ header: { revision: string } }>('RangeResponse', answer).header.revision);
  }

  /** Opens `count` watches on the prefix in one stream; resolves when all are there. */
  watch(prefix: string, count: number, onMessage: (message: Buffer) => void): Promise<ClientHttp2Stream> {
    const stream = this.#open(methods.watch.watch);
    const reader = new FrameReader(2 ** 30);
    const key = Buffer.from(prefix);
    const end = Buffer.from(key);
    end[end.length - 1] = (end[end.length - 1] ?? 0) + 1;
    for (let i = 0; i < count; i++) {
      stream.write(frame(encodeMessage('WatchRequest', { create_request: { key, range_end: end } })));
    }
    return new Promise((resolve, reject) => {
      let created = 0;
      stream.on('error', reject);
      stream.on('data', (chunk: Buffer) => {
        for (const message of reader.push(chunk)) {
          if (created === count) onMessage(message);
          else if (++created === count) resolve(stream);
        }
      });
    });
  }

  close(): void {
    this.#session.destroy();
  }

  #open(method: RpcMethod): ClientHttp2Stream {
    return this.#session.request({
      ':method': 'POST',
      ':path': method.path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
  }
}

/** Events in a WatchResponse: fields 11 at the top. */
export function countEvents(message: Buffer): number {
  let events = 0;
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    if (tag >> 3 === 11) events++;
    const length = varint();
    if ((tag & 7) === 2) at += length;
  }
  return events;
}
