import type { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import { DialError, type DatagramHandler, type NetworkNamespace, type Socket, type SocketAddress } from '#base/streams';

/** What a namespace asks of the fabric it is plugged into. */
export interface Wire {
  dial(context: Context, from: FabricNamespace, address: SocketAddress): Promise<Socket>;
  exchange(context: Context, from: FabricNamespace, address: SocketAddress, payload: Uint8Array): Promise<Uint8Array>;
}

const loopback = /^127\.|^localhost$|^0\.0\.0\.0$/;

/** One network namespace on the fabric: a pod's, or a node's own. */
export class FabricNamespace implements NetworkNamespace {
  readonly ip: string;
  readonly nodeName: string;
  readonly #wire: Wire;
  readonly #listeners = new Map<number, (socket: Socket) => void>();
  readonly #datagrams = new Map<number, DatagramHandler>();
  readonly #sockets = new Set<Socket>();
  #nextEphemeralPort = 32768;

  constructor(ip: string, nodeName: string, wire: Wire) {
    this.ip = ip;
    this.nodeName = nodeName;
    this.#wire = wire;
  }

  listen(port: number, onConnection: (socket: Socket) => void): Disposable {
    if (this.#listeners.has(port))
      throw new DialError('EADDRINUSE', `listen tcp ${this.ip}:${port}: address already in use`);
    this.#listeners.set(port, onConnection);
    return disposable(() => this.#listeners.delete(port));
  }

  dial(context: Context, address: SocketAddress): Promise<Socket> {
    return this.#wire.dial(context, this, loopback.test(address.ip) ? { ...address, ip: this.ip } : address);
  }

  listenDatagram(port: number, handler: DatagramHandler): Disposable {
    if (this.#datagrams.has(port))
      throw new DialError('EADDRINUSE', `listen udp ${this.ip}:${port}: address already in use`);
    this.#datagrams.set(port, handler);
    return disposable(() => this.#datagrams.delete(port));
  }

  exchangeDatagram(context: Context, address: SocketAddress, payload: Uint8Array): Promise<Uint8Array> {
    return this.#wire.exchange(
      context,
      this,
      loopback.test(address.ip) ? { ...address, ip: this.ip } : address,
      payload,
    );
  }

  /** For the fabric: who listens on `port`. */
  listener(port: number): ((socket: Socket) => void) | undefined {
    return this.#listeners.get(port);
  }

  datagramListener(port: number): DatagramHandler | undefined {
    return this.#datagrams.get(port);
  }

  /** The next port above 32768, as Linux hands them out by default. */
  ephemeralPort(): number {
    const port = this.#nextEphemeralPort;
    this.#nextEphemeralPort = port >= 60999 ? 32768 : port + 1;
    return port;
  }

  track(socket: Socket): void {
    this.#sockets.add(socket);
  }

  untrack(socket: Socket): void {
    this.#sockets.delete(socket);
  }

  /** Breaks every connection and forgets every listener: the namespace is gone. */
  tearDown(error: Error): void {
    this.#listeners.clear();
    this.#datagrams.clear();
    for (const socket of [...this.#sockets]) socket.destroy(error);
    this.#sockets.clear();
  }
}
