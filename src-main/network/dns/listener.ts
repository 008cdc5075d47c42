import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '#base/clock';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { SocketAddress } from '#base/streams';
import type { DnsTransport } from './exchange.ts';
import { serveFrames } from './frames.ts';

/** A TCP client that asks nothing for as long is dropped. */
const idleMs = 10_000;
const maxConnections = 512;

export interface DnsListenerOptions {
  readonly address: SocketAddress;
  /** Must not reject. */
  readonly answer: (message: Uint8Array, transport: DnsTransport) => Promise<Uint8Array>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Serves DNS on UDP and TCP of one address of this machine. */
export class DnsListener {
  readonly #options: DnsListenerOptions;
  readonly #datagrams: DatagramSocket = createSocket('udp4');
  readonly #streams: Server;
  readonly #sockets = new Set<Socket>();

  constructor(options: DnsListenerOptions) {
    this.#options = options;
    this.#datagrams.on('message', (message, from) => {
      void options.answer(message, 'udp').then((reply) => this.#datagrams.send(reply, from.port, from.address));
    });
    this.#streams = createServer({ noDelay: true }, (socket) => void this.#serve(socket));
    this.#streams.maxConnections = maxConnections;
  }

  /** Resolves when both answer. Rejects when the port is taken. */
  async start(): Promise<void> {
    const { ip, port } = this.#options.address;
    const { logger } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#datagrams.once('error', reject);
      this.#datagrams.bind(port, ip, resolve);
    });
    await new Promise<void>((resolve, reject) => {
      this.#streams.once('error', reject);
      this.#streams.listen(this.#datagrams.address().port, ip, resolve);
    });
    // An answer that could not be sent is like one that was lost: the client asks again.
    this.#datagrams.on('error', (error) => logger.debug('an answer was not sent', { error: messageOf(error) }));
  }

  /** The port it listens on: of use where 0 was asked for. */
  get port(): number {
    return this.#datagrams.address().port;
  }

  stop(): void {
    this.#datagrams.close();
    this.#streams.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #serve(socket: Socket): Promise<void> {
    const { answer, clock, logger } = this.#options;
    this.#sockets.add(socket);
    let idle = clock.setTimer(idleMs, () => socket.destroy());
    socket.once('close', () => {
      idle.dispose();
      this.#sockets.delete(socket);
    });
    const write = (chunk: Uint8Array): Promise<void> =>
      new Promise((resolve, reject) => {
        idle.dispose();
        idle = clock.setTimer(idleMs, () => socket.destroy());
        socket.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
    try {
      await serveFrames(socket as AsyncIterable<Uint8Array>, write, (message) => answer(message, 'tcp'));
      socket.end();
    } catch (error) {
      logger.debug('a DNS client went away', { error: messageOf(error) });
      socket.destroy();
    }
  }
}
