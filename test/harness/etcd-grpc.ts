import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { FrameReader, frame } from '#etcd/rpc/grpc/framing';
import { encodeMessage, decodeMessage } from '#etcd/rpc/schema';
import { methods, type RpcMethod } from '#etcd/rpc/methods';

const windowBytes = 8 * 2 ** 20;

export interface Answer {
  readonly status: number;
  /** The text that goes with a status other than 0. */
  readonly message: string;
  readonly bytes: Buffer;
}

/** As little of a gRPC client as tests and measurements need: it shows what is on the wire, and leaves the time to the server. */
export class EtcdGrpc {
  readonly #session: ClientHttp2Session;

  /** `tls` shows a client certificate. The server's is not looked at. */
  constructor(endpoint: string, tls: { readonly cert?: string; readonly key?: string } = {}) {
    const settings = { initialWindowSize: windowBytes };
    this.#session = connect(endpoint, { ...tls, rejectUnauthorized: false, settings });
    // The calls under way fail with it.
    this.#session.on('error', () => {});
    this.#session.once('connect', () => this.#session.setLocalWindowSize(4 * windowBytes));
  }

  /** The response's bytes. Throws unless the status is 0. */
  async call(method: RpcMethod, framed: Buffer): Promise<Buffer> {
    const { status, message, bytes } = await this.answer(method.path, framed);
    if (status !== 0) throw new Error(`${method.path}: ${message}`);
    return bytes;
  }

  /** All messages of the answer, one after the other without their prefixes; `headers` are sent besides the usual ones. */
  answer(path: string, framed: Buffer, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const stream = this.open(path, headers);
      const reader = new FrameReader(2 ** 30);
      const messages: Buffer[] = [];
      let ended: IncomingHttpHeaders = {};
      let isFramed = false;
      const note = (answered: IncomingHttpHeaders): void => {
        isFramed = answered['content-type']?.startsWith('application/grpc') === true;
        if (answered['grpc-status'] !== undefined || Number(answered[':status']) !== 200) ended = answered;
      };
      stream.on('response', note);
      stream.on('trailers', (trailers) => (ended = trailers));
      stream.on('data', (chunk: Buffer) => {
        // A page for people is not framed.
        if (isFramed) messages.push(...reader.push(chunk));
      });
      stream.on('error', reject);
      stream.on('end', () => {
        const status = Number(ended['grpc-status'] ?? ended[':status']);
        const message = decodeURIComponent(String(ended['grpc-message'] ?? ''));
        const [only] = messages;
        resolve({ status, message, bytes: messages.length === 1 && only ? only : Buffer.concat(messages) });
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
    const stream = this.open(methods.watch.watch.path);
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

  open(path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
    return this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
  }
}
