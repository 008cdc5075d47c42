import { FlowQueue } from '../flow-queue.ts';
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

/** One stream of a session. */
export class SpdyStream {
  readonly id: number;
  readonly headers: SpdyHeaders;
  /** What the other end sends; ends when it half-closes, throws when it resets the stream or the session ends. */
  readonly incoming = new FlowQueue();
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
    this.incoming.close();
    if (this.#ended) return;
    this.#ended = true;
    await this.#send(numbersFrame(controlType.rstStream, this.id, cancelStatus));
  }
}

/** A stream this end asked for, until the other end has answered. */
interface Opening {
  readonly stream: SpdyStream;
  readonly accepted: () => void;
  readonly refused: (error: SpdyError) => void;
}

/**
 * One end of a SPDY/3.1 session, as far as Kubernetes speaks it: the client opens the streams, and nobody sends
 * WINDOW_UPDATE, because the Go implementation on the other end knows no flow control; back-pressure is the connection's.
 * Written by hand because the one npm implementation predates the Node versions Drydock runs on.
 */
export class SpdySession {
  readonly #transport: SpdyTransport;
  readonly #codec = new HeaderCodec();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #openings = new Map<number, Opening>();
  readonly #onStream: ((stream: SpdyStream) => void) | undefined;
  #nextId = 1;
  #over = false;
  /** Header blocks must be sent in the order they were compressed in. */
  #headersSent: Promise<void> = Promise.resolve();

  /** The server's end has `onStream`: it is called for each stream the other end opens, once it has been accepted. */
  constructor(transport: SpdyTransport, onStream?: (stream: SpdyStream) => void) {
    this.#transport = transport;
    this.#onStream = onStream;
  }

  /** Runs until the other end goes away. Throws {@link SpdyError} when it breaks the protocol. */
  async run(): Promise<void> {
    const parser = new FrameParser();
    try {
      for await (const message of this.#transport.messages) {
        for (const frame of parser.push(message)) if (!(await this.#take(frame))) return;
      }
    } finally {
      this.#over = true;
      const error = new SpdyError('PROTOCOL_ERROR', 'the session ended');
      for (const stream of this.#streams.values()) stream.incoming.fail(error);
      for (const opening of this.#openings.values()) opening.refused(error);
      this.#streams.clear();
      this.#openings.clear();
      this.#codec.close();
    }
  }

  /** Nobody reads any more: what is still on its way is dropped, and `run` ends with the transport. */
  close(): void {
    for (const stream of this.#streams.values()) stream.incoming.close();
  }

  /** The client's: resolves once the server has accepted the stream. Throws {@link SpdyError} when it does not. */
  async open(headers: SpdyHeaders): Promise<SpdyStream> {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new SpdyStream(id, headers, (frame) => this.#transport.send(frame));
    const answered = new Promise<void>((accepted, refused) => {
      this.#openings.set(id, { stream, accepted, refused });
    });
    // The stream identifier, no associated stream, priority 0, no slot.
    const fixed = Buffer.alloc(10);
    fixed.writeUInt32BE(id);
    await Promise.all([this.#sendHeaders(controlType.synStream, fixed, headers), answered]);
    return stream;
  }

  #sendHeaders(type: number, fixed: Buffer, headers: SpdyHeaders): Promise<void> {
    const sent = this.#headersSent.then(async () => {
      if (this.#over) throw new SpdyError('PROTOCOL_ERROR', 'the session ended');
      await this.#transport.send(controlFrame(type, Buffer.concat([fixed, await this.#codec.encode(headers)])));
    });
    // Whoever sends next must not fail for this one.
    this.#headersSent = sent.catch(() => undefined);
    return sent;
  }

  /** Answers false when the other end said goodbye. */
  async #take(frame: Frame): Promise<boolean> {
    if (frame.kind === 'data') {
      await this.#data(frame.streamId, frame.payload, frame.flags);
      return true;
    }
    switch (frame.type) {
      case controlType.synStream:
        await this.#accept(frame.payload, frame.flags);
        return true;
      case controlType.synReply:
        await this.#accepted(frame.payload, frame.flags);
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

  async #accept(payload: Buffer, flags: number): Promise<void> {
    const id = idOf(payload);
    const headers = await this.#codec.decode(payload.subarray(10));
    const stream = new SpdyStream(id, headers, (frame) => this.#transport.send(frame));
    this.#streams.set(id, stream);
    const streamId = Buffer.alloc(4);
    streamId.writeUInt32BE(id);
    await this.#sendHeaders(controlType.synReply, streamId, {});
    if (flags & flagFin) this.#finish(id);
    this.#onStream?.(stream);
  }

  async #accepted(payload: Buffer, flags: number): Promise<void> {
    const id = idOf(payload);
    await this.#codec.decode(payload.subarray(4));
    const opening = this.#openings.get(id);
    if (!opening) return;
    this.#openings.delete(id);
    this.#streams.set(id, opening.stream);
    if (flags & flagFin) this.#finish(id);
    opening.accepted();
  }

  async #data(id: number, payload: Buffer, flags: number): Promise<void> {
    // Data for a stream that was given up may still be on its way.
    const taken = this.#streams.get(id)?.incoming.push(payload);
    if (flags & flagFin) this.#finish(id);
    // A server has many connections in one session: a slow one must not hold up the others, nor hide that the client left.
    if (!this.#onStream) await taken;
  }

  #finish(id: number): void {
    this.#streams.get(id)?.incoming.end();
    this.#streams.delete(id);
  }

  #reset(id: number): void {
    const error = new SpdyError('PROTOCOL_ERROR', 'the other end reset the stream');
    this.#openings.get(id)?.refused(error);
    this.#openings.delete(id);
    this.#streams.get(id)?.incoming.fail(error);
    this.#streams.delete(id);
  }
}

function idOf(payload: Buffer): number {
  if (payload.length < 4) throw new SpdyError('PROTOCOL_ERROR', 'a control frame ends early');
  return payload.readUInt32BE(0) & 0x7fff_ffff;
}
