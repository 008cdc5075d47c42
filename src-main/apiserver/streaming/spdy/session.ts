import { AsyncQueue } from '#base/async-queue';
import {
  controlFrame,
  controlType,
  dataFrame,
  flagFin,
  type Frame,
  FrameParser,
  numbersFrame,
  SpdyError,
} from './frames.ts';
import { HeaderCodec, type SpdyHeaders } from './header-codec.ts';

/** Where a session's bytes come from and go to: a WebSocket, or a socket. */
export interface SpdyTransport {
  readonly messages: AsyncIterable<Uint8Array>;
  send(bytes: Uint8Array): Promise<void>;
}

/** The largest piece of data put into one frame. */
const maxDataBytes = 32 * 1024;
const cancelStatus = 5;

/** One stream that the client opened. */
export class SpdyStream {
  readonly id: number;
  readonly headers: SpdyHeaders;
  /** What the client sends; ends when it half-closes, throws when it resets the stream or the session ends. */
  readonly incoming: AsyncQueue<Uint8Array> = new AsyncQueue();
  readonly #send: (frame: Buffer) => Promise<void>;
  #ended = false;

  constructor(id: number, headers: SpdyHeaders, send: (frame: Buffer) => Promise<void>) {
    this.id = id;
    this.headers = headers;
    this.#send = send;
  }

  /** Rejects when the session is over. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#ended; at += maxDataBytes) {
      await this.#send(dataFrame(this.id, bytes.subarray(at, at + maxDataBytes)));
    }
  }

  /** Half-closes this side. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#send(dataFrame(this.id, Buffer.alloc(0), flagFin));
  }

  /** Gives the stream up in both directions. */
  async reset(): Promise<void> {
    this.incoming.end();
    if (this.#ended) return;
    this.#ended = true;
    await this.#send(numbersFrame(controlType.rstStream, this.id, cancelStatus));
  }
}

/**
 * The server's end of a SPDY/3.1 session, as far as Kubernetes speaks it: streams are opened by the client only, and nobody
 * sends WINDOW_UPDATE, because the Go implementation on the other end knows no flow control; back-pressure is the
 * connection's. Written by hand because the one npm implementation predates the Node versions Drydock runs on.
 */
export class SpdySession {
  readonly #transport: SpdyTransport;
  readonly #codec = new HeaderCodec();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #onStream: (stream: SpdyStream) => void;

  /** `onStream` is called for each stream the client opens, once it has been accepted. */
  constructor(transport: SpdyTransport, onStream: (stream: SpdyStream) => void) {
    this.#transport = transport;
    this.#onStream = onStream;
  }

  /** Runs until the client goes away. Throws {@link SpdyError} when it breaks the protocol. */
  async run(): Promise<void> {
    const parser = new FrameParser();
    try {
      for await (const message of this.#transport.messages) {
        for (const frame of parser.push(message)) if (!(await this.#take(frame))) return;
      }
    } finally {
      for (const stream of this.#streams.values())
        stream.incoming.fail(new SpdyError('PROTOCOL_ERROR', 'the session ended'));
      this.#streams.clear();
      this.#codec.close();
    }
  }

  /** Answers false when the client said goodbye. */
  async #take(frame: Frame): Promise<boolean> {
    if (frame.kind === 'data') {
      this.#data(frame.streamId, frame.payload, frame.flags);
      return true;
    }
    switch (frame.type) {
      case controlType.synStream:
        await this.#open(frame.payload, frame.flags);
        return true;
      case controlType.rstStream:
        this.#reset(idOf(frame.payload));
        return true;
      case controlType.ping:
        await this.#transport.send(controlFrame(controlType.ping, frame.payload));
        return true;
      case controlType.headers:
        // Only to keep the compression in step: nobody sends later headers.
        await this.#codec.decode(frame.payload.subarray(4));
        return true;
      default:
        return frame.type !== controlType.goAway;
    }
  }

  async #open(payload: Buffer, flags: number): Promise<void> {
    const id = idOf(payload);
    const headers = await this.#codec.decode(payload.subarray(10));
    const stream = new SpdyStream(id, headers, (frame) => this.#transport.send(frame));
    this.#streams.set(id, stream);
    const streamId = Buffer.alloc(4);
    streamId.writeUInt32BE(id);
    await this.#transport.send(
      controlFrame(controlType.synReply, Buffer.concat([streamId, await this.#codec.encode({})])),
    );
    if (flags & flagFin) this.#finish(id);
    this.#onStream(stream);
  }

  #data(id: number, payload: Buffer, flags: number): void {
    // Data for a stream that was given up may still be on its way.
    if (payload.length > 0) this.#streams.get(id)?.incoming.push(payload);
    if (flags & flagFin) this.#finish(id);
  }

  #finish(id: number): void {
    this.#streams.get(id)?.incoming.end();
    this.#streams.delete(id);
  }

  #reset(id: number): void {
    this.#streams.get(id)?.incoming.fail(new SpdyError('PROTOCOL_ERROR', 'the client reset the stream'));
    this.#streams.delete(id);
  }
}

function idOf(payload: Buffer): number {
  if (payload.length < 4) throw new SpdyError('PROTOCOL_ERROR', 'a control frame ends early');
  return payload.readUInt32BE(0) & 0x7fff_ffff;
}
