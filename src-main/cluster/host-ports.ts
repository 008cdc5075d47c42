import { createServer, type Server, type Socket as HostSocket } from 'node:net';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { ByteStream } from '#base/streams';
import { byteStreamOf, relay } from '#streaming/byte-streams';

/** Opens a connection into the lab for one that came to a host port. */
export type PortDialer = (context: Context, port: number) => Promise<ByteStream>;

/**
 * Node ports on the host: each wanted port listens on 127.0.0.1 and pipes into the lab. A port that another program holds
 * is reported once and tried again at the next `sync` that still wants it.
 */
export class HostPorts {
  readonly #dial: PortDialer;
  readonly #logger: Logger;
  readonly #servers = new Map<number, Server>();
  readonly #connections = new Set<HostSocket>();
  /** Ports that could not be opened, said once each. */
  readonly #taken = new Set<number>();
  #closed = false;

  constructor(options: { readonly dial: PortDialer; readonly logger: Logger }) {
    this.#dial = options.dial;
    this.#logger = options.logger;
  }

  /** Opens what is new and closes what is no longer wanted. */
  sync(wanted: ReadonlySet<number>): void {
    if (this.#closed) return;
    for (const [port, server] of this.#servers) {
      if (wanted.has(port)) continue;
      server.close();
      this.#servers.delete(port);
    }
    for (const port of this.#taken) if (!wanted.has(port)) this.#taken.delete(port);
    for (const port of wanted) if (!this.#servers.has(port)) this.#open(port);
  }

  close(): void {
    this.sync(new Set());
    this.#closed = true;
    for (const connection of this.#connections) connection.destroy();
  }

  #open(port: number): void {
    const server = createServer({ allowHalfOpen: true }, (connection) => void this.#serve(connection, port));
    this.#servers.set(port, server);
    server.on('error', (error) => {
      this.#servers.delete(port);
      if (!this.#taken.has(port))
        this.#logger.warn(`node port ${port} cannot be opened on 127.0.0.1`, { error: messageOf(error) });
      this.#taken.add(port);
    });
    server.on('listening', () => this.#taken.delete(port));
    server.listen(port, '127.0.0.1');
    server.unref();
  }

  async #serve(connection: HostSocket, port: number): Promise<void> {
    this.#connections.add(connection);
    const { context, cancel } = Context.background().withCancel();
    connection.on('close', () => {
      this.#connections.delete(connection);
      cancel();
    });
    const stream = byteStreamOf(connection);
    try {
      const socket = await this.#dial(context, port);
      context.onEnd(() => socket.destroy());
      await relay(stream, socket);
    } catch (error) {
      this.#logger.debug('a connection to a node port ended', { port, error: messageOf(error) });
      connection.destroy();
    }
  }
}
