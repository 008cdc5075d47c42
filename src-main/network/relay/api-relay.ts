import { connect, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { SocketAddress } from '#base/streams';

/** An upstream that does not answer within this is passed over. */
const dialTimeoutMs = 3_000;
/** How soon a connection to a host that is gone is found out, so that watches are opened anew. */
const keepAliveMs = 10_000;
/** How soon it is noticed that this machine has another address. */
const addressCheckMs = 1_000;

export interface ApiRelayOptions {
  readonly listen: SocketAddress;
  /** Where the API server may be, tried in order. */
  readonly upstreams: readonly SocketAddress[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** The addresses this machine has now; what its devices say when absent. */
  readonly addresses?: () => ReadonlySet<string>;
}

/**
 * Relays TCP connections to whichever upstream accepts them, starting with the one that did last. It neither reads nor keeps
 * what passes: TLS goes from client to API server. Half-closes travel on; a slow reader stops its writer.
 */
export class ApiRelay {
  readonly #options: ApiRelayOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #upstreams = new Set<Socket>();
  #check: Disposable | undefined;
  #good = 0;

  constructor(options: ApiRelayOptions) {
    this.#options = options;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
      this.#keep(client);
      void this.#relay(client);
    });
  }

  /** Resolves when connections are accepted; rejects when the address cannot be listened on. */
  async start(): Promise<void> {
    const { ip, port } = this.#options.listen;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: ip, port }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#checkAddresses();
  }

  /** The port it listens on: of use where 0 was asked for. */
  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : this.#options.listen.port;
  }

  /** Ends listening and breaks every connection; clients find out at once and come again. */
  stop(): void {
    this.#check?.dispose();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #relay(client: Socket): Promise<void> {
    const upstream = await this.#dial(client);
    if (!upstream) {
      client.resetAndDestroy();
      return;
    }
    this.#keep(upstream);
    this.#upstreams.add(upstream);
    upstream.once('close', () => this.#upstreams.delete(upstream));
    client.pipe(upstream);
    upstream.pipe(client);
    // Without an error both ends were ended, and what is still on its way to the other one must arrive.
    client.once('close', (broken) => void (broken && upstream.destroy()));
    upstream.once('close', (broken) => void (broken && client.resetAndDestroy()));
  }

  /** A connection from an address the machine no longer has gets no answer, and TCP would try for a quarter of an hour. */
  #checkAddresses(): void {
    const { clock, logger, addresses = deviceAddresses } = this.#options;
    const now = this.#upstreams.size > 0 ? addresses() : undefined;
    for (const socket of now ? this.#upstreams : []) {
      const { localAddress } = socket;
      if (!now || localAddress === undefined || now.has(localAddress)) continue;
      logger.info('a connection is broken: its address is gone', { address: localAddress });
      socket.destroy(new Error(`${localAddress} is no address of this machine any more`));
    }
    this.#check = clock.setTimer(addressCheckMs, () => this.#checkAddresses());
  }

  /** Undefined when no upstream accepts, or the client went away meanwhile. */
  async #dial(client: Socket): Promise<Socket | undefined> {
    const { upstreams, logger } = this.#options;
    const failures: string[] = [];
    for (let i = 0; i < upstreams.length && !client.destroyed; i++) {
      const index = (this.#good + i) % upstreams.length;
      const address = upstreams[index];
      if (!address) continue;
      try {
        const socket = await this.#dialOne(address);
        this.#good = index;
        if (!client.destroyed) return socket;
        socket.destroy();
      } catch (error) {
        failures.push(`${address.ip}:${address.port}: ${messageOf(error)}`);
      }
    }
    if (failures.length > 0) logger.warn('no API server can be reached', { tried: failures.join('; ') });
    return undefined;
  }

  #dialOne({ ip, port }: SocketAddress): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: ip, port, allowHalfOpen: true, noDelay: true });
      const timer = this.#options.clock.setTimer(dialTimeoutMs, () => socket.destroy(new Error('no answer')));
      const fail = (error: Error): void => {
        timer.dispose();
        reject(error);
      };
      socket.once('error', fail);
      socket.once('connect', () => {
        timer.dispose();
        socket.off('error', fail);
        resolve(socket);
      });
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setKeepAlive(true, keepAliveMs);
    // Its close, which follows, is what ends the other side.
    socket.on('error', (error) => this.#options.logger.debug('a connection broke', { error: messageOf(error) }));
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

function deviceAddresses(): ReadonlySet<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)));
}

/** Runs a relay until `life` ends. */
export async function runApiRelay(life: Context, options: ApiRelayOptions): Promise<ApiRelay> {
  const relay = new ApiRelay(options);
  await relay.start();
  life.onEnd(() => relay.stop());
  return relay;
}
