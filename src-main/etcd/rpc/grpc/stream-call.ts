import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Context } from '#base/context';
import { FrameReader } from './framing.ts';
import type { Peer, ServerStream, StreamHandler } from './handlers.ts';
import { okTrailers, responseHeaders, trailersOf } from './responses.ts';
import type { CallOptions } from './unary-call.ts';

/** Bytes that may wait for the client before {@link ServerStream.send} asks to wait. */
const highWaterBytes = 4 * 2 ** 20;

/** A stream of messages in either direction, until both sides have ended it or the client is gone. */
export async function serveStream(
  stream: ServerHttp2Stream,
  open: StreamHandler,
  peer: Peer,
  options: CallOptions,
): Promise<void> {
  const { context, cancel, statusOf } = options;
  let trailers: OutgoingHttpHeaders = okTrailers;
  stream.on('close', cancel);
  stream.respond(responseHeaders, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  const sender = new StreamSender(stream, context, peer);
  const reader = new FrameReader(options.maxRequestBytes);
  try {
    const receiver = open(sender);
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      for (const message of reader.push(chunk)) await receiver.receive(message);
    }
    await receiver.finish();
  } catch (error) {
    trailers = trailersOf(statusOf(error));
  }
  sender.end();
}

/**
 * Sends what was handed over in one turn of the event loop with one write: a hundred watches of one stream that see the
 * same event cost one write, not a hundred.
 */
class StreamSender implements ServerStream {
  readonly context: Context;
  readonly peer: Peer;
  readonly #stream: ServerHttp2Stream;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #drained: Promise<void> | undefined;

  constructor(stream: ServerHttp2Stream, context: Context, peer: Peer) {
    this.#stream = stream;
    this.context = context;
    this.peer = peer;
  }

  send(framed: Buffer): Promise<void> | undefined {
    if (this.context.ended) return undefined;
    if (this.#waiting.length === 0) process.nextTick(() => this.#flush());
    this.#waiting.push(framed);
    this.#waitingBytes += framed.length;
    const unsent = this.#waitingBytes + this.#stream.writableLength;
    return unsent < highWaterBytes ? undefined : this.#drain();
  }

  end(): void {
    this.#flush();
    if (!this.#stream.destroyed) this.#stream.end();
  }

  #flush(): void {
    const [first] = this.#waiting;
    if (!first) return;
    const bytes = this.#waiting.length === 1 ? first : Buffer.concat(this.#waiting, this.#waitingBytes);
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.write(bytes);
  }

  /** Everybody who waits shares the promise. */
  #drain(): Promise<void> {
    this.#drained ??= new Promise<void>((resolve) => {
      const done = (): void => {
        this.#drained = undefined;
        link.dispose();
        resolve();
      };
      const link = this.context.onEnd(done);
      this.#flush();
      this.#stream.once('drain', done);
    });
    return this.#drained;
  }
}
