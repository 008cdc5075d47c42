import type { Duplex } from 'node:stream';
import { AsyncQueue } from '#base/async-queue';
import { StatusError } from '#api/machinery/status';
import type { MessageSocket } from '#streaming/message-socket';
import { channel } from '#streaming/channels';
import { SpdySession, type SpdyStream, type SpdyTransport } from '#streaming/spdy/session';

/**
 * `Upgrade: SPDY/3.1`, which clients before kubectl 1.31 speak, and later ones where a proxy stops their WebSockets.
 * Port-forward is the same SPDY session without the WebSocket around it. For exec and attach each stream is made to look
 * like the channel that a WebSocket would have, so that the commands are served in one way.
 */
const portForward = 'portforward.k8s.io';

/** Switches `socket` over. Throws BadRequest when none of the client's protocols is served. */
export function acceptSpdy(
  socket: Duplex,
  head: Buffer,
  offered: readonly string[],
  served: readonly string[],
): MessageSocket {
  const agreed = offered.find((name) => served.includes(name) || served.includes(`SPDY/3.1+${name}`));
  if (agreed === undefined) {
    throw new StatusError('BadRequest', `unable to upgrade: none of the protocols ${offered.join(', ')} is served`);
  }
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${agreed}\r\n\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  const raw = new RawSocket(socket, agreed);
  return agreed === portForward ? raw : new SpdyChannels(raw, agreed);
}

/** The bytes of a socket, as they come. */
class RawSocket implements MessageSocket {
  readonly protocol: string;
  readonly #socket: Duplex;

  constructor(socket: Duplex, protocol: string) {
    this.#socket = socket;
    this.protocol = protocol;
  }

  get messages(): AsyncIterable<Uint8Array> {
    return this.#socket;
  }

  send(message: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(message, (error) => (error ? reject(error) : resolve()));
    });
  }

  close(): void {
    this.#socket.end();
  }
}

const channelOf: ReadonlyMap<string, number> = new Map(
  Object.entries({
    stdin: channel.stdin,
    stdout: channel.stdout,
    stderr: channel.stderr,
    error: channel.error,
    resize: channel.resize,
  }),
);

/** The streams of one exec or attach, told apart by their `streamtype`, as the channels of one socket. */
class SpdyChannels implements MessageSocket {
  readonly protocol: string;
  readonly messages = new AsyncQueue<Uint8Array>();
  readonly #transport: SpdyTransport;
  readonly #streams = new Map<number, SpdyStream>();
  /** What waits for a stream that the client has not opened yet; told too when it never will. */
  readonly #waiting = new Map<number, () => void>();
  #over = false;

  constructor(transport: SpdyTransport, protocol: string) {
    this.protocol = protocol;
    this.#transport = transport;
    this.#run()
      .finally(() => {
        this.#over = true;
        for (const wake of this.#waiting.values()) wake();
      })
      .then(
        () => this.messages.end(),
        (error: unknown) => this.messages.fail(error),
      );
  }

  async send(message: Uint8Array): Promise<void> {
    const stream = await this.#stream(message[0] ?? 0);
    await stream.write(message.subarray(1));
    // A Status is the last word on its stream, and clients read to the stream's end.
    if (message[0] === channel.error && message.length > 1) for (const each of this.#streams.values()) await each.end();
  }

  close(): void {
    this.messages.end();
  }

  #run(): Promise<void> {
    const session = new SpdySession(this.#transport, (stream) => {
      const number = channelOf.get(stream.headers['streamtype'] ?? '');
      if (number === undefined) return;
      this.#streams.set(number, stream);
      this.#waiting.get(number)?.();
      this.#read(number, stream).catch((error: unknown) => this.messages.fail(error));
    });
    return session.run();
  }

  async #read(number: number, stream: SpdyStream): Promise<void> {
    for await (const chunk of stream.incoming) this.messages.push(Buffer.concat([Buffer.from([number]), chunk]));
    if (number === channel.stdin) this.messages.push(Buffer.from([channel.close, number]));
  }

  async #stream(number: number): Promise<SpdyStream> {
    const known = this.#streams.get(number);
    if (known) return known;
    if (this.#over) throw new Error('the client is gone');
    await new Promise<void>((resolve) => this.#waiting.set(number, resolve));
    return this.#stream(number);
  }
}
