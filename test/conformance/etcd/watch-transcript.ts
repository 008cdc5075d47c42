import type { ClientHttp2Stream } from 'node:http2';
import { expect } from 'vitest';
import { frame, FrameReader } from '#etcd/rpc/grpc/framing';
import { methods } from '#etcd/rpc/methods';
import { decodeMessage, encodeMessage } from '#etcd/rpc/schema';
import type { EtcdGrpc } from '../../harness/etcd-grpc.ts';

interface WatchMessage {
  readonly header: { readonly revision: string };
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly fragment: boolean;
  readonly events: readonly { readonly type: number; readonly kv: object; readonly prev_kv?: object }[];
}

/** What a watch stream answered, with revisions counted from its opening. */
export class WatchTranscript {
  readonly client: EtcdGrpc;
  readonly base: number;
  readonly #stream: ClientHttp2Stream;
  readonly #messages: WatchMessage[] = [];

  private constructor(client: EtcdGrpc, base: number) {
    this.client = client;
    this.base = base;
    this.#stream = client.open(methods.watch.watch.path);
    const reader = new FrameReader(2 ** 30);
    this.#stream.on('data', (chunk: Buffer) => {
      for (const bytes of reader.push(chunk)) this.#messages.push(decodeMessage('WatchResponse', bytes));
    });
  }

  static async open(client: EtcdGrpc): Promise<WatchTranscript> {
    return new WatchTranscript(client, await client.revision());
  }

  /** Resolves when `answers` more messages came. */
  async send(request: object, answers: number): Promise<void> {
    const before = this.#messages.length;
    this.#stream.write(frame(encodeMessage('WatchRequest', request)));
    await this.messages(before + answers);
  }

  async messages(count: number): Promise<void> {
    await expect.poll(() => this.#messages.length, { timeout: 15_000, interval: 5 }).toBeGreaterThanOrEqual(count);
  }

  get count(): number {
    return this.#messages.length;
  }

  /** Half of the stream: nothing more is asked. */
  end(): void {
    this.#stream.end();
  }

  /** All messages. Those that one change caused in several watches are in the order of their ids. */
  close(): WatchMessage[] {
    this.#stream.close();
    const readable = this.#messages.map((message): WatchMessage => {
      const revision = message.compact_revision === '0' ? String(Number(message.header.revision) - this.base) : 'any';
      return { ...message, header: { revision } };
    });
    // Stable: all others stay where they are.
    for (let i = 1; i < readable.length; i++) {
      for (let j = i; j > 0 && isBefore(readable[j], readable[j - 1]); j--) {
        readable.splice(j - 1, 2, ...readable.slice(j - 1, j + 1).reverse());
      }
    }
    return readable;
  }
}

/** Both tell of the same change, and `a` is of the lower watch id. */
function isBefore(a: WatchMessage | undefined, b: WatchMessage | undefined): boolean {
  const sameChange = a?.events.length && b?.events.length && a.header.revision === b.header.revision;
  return Boolean(sameChange) && Number(a?.watch_id) < Number(b?.watch_id);
}

type WatchStep = (transcript: WatchTranscript) => Promise<void>;

const key = Buffer.from('w/');
const all = { key, range_end: Buffer.from('w0') };
const create = (more: object, answers = 1): WatchStep => {
  return (transcript) => transcript.send({ create_request: { ...all, ...more } }, answers);
};
const put = (name: string, value: string, answers: number): WatchStep => {
  return async (transcript) => {
    const before = transcript.count;
    await transcript.client.put(name, Buffer.from(value));
    await transcript.messages(before + answers);
  };
};
const remove = (name: string, answers: number): WatchStep => {
  return async (transcript) => {
    const before = transcript.count;
    const request = frame(encodeMessage('DeleteRangeRequest', { key: Buffer.from(name) }));
    await transcript.client.call(methods.kv.deleteRange, request);
    await transcript.messages(before + answers);
  };
};

/** A day in the life of a watch stream; each step says how many messages it makes. */
export const watchSteps: readonly WatchStep[] = [
  create({ prev_kv: true }),
  create({ watch_id: 7, filters: [0] }),
  create({ watch_id: 7 }),
  create({ key: Buffer.from('w0'), range_end: key }),
  // Compacted by the steps of wire-steps.ts.
  create({ watch_id: 20, start_revision: 1 }, 2),
  create({ watch_id: 21, start_revision: -3 }, 2),
  create({ key: Buffer.alloc(0), range_end: Buffer.alloc(0), watch_id: 41 }),
  (transcript) => create({ watch_id: 30, start_revision: transcript.base + 3 })(transcript),
  (transcript) => transcript.send({ cancel_request: { watch_id: 99 } }, 0),
  (transcript) => transcript.send({ progress_request: {} }, 1),
  put('w/x', 'one', 1),
  put('w/y', 'two', 1),
  remove('w/x', 3),
  (transcript) => transcript.send({ cancel_request: { watch_id: 7 } }, 1),
  (transcript) => transcript.send({}, 0),
  (transcript) => create({ watch_id: 60, start_revision: transcript.base + 1 }, 2)(transcript),
  async (transcript) => transcript.end(),
  put('w/z', 'after', 3),
];
