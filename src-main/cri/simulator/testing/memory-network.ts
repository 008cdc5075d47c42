import { AsyncQueue } from '#base/async-queue';
import type { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import { DialError, type DatagramHandler, type NetworkNamespace, type Socket, type SocketAddress } from '#base/streams';
import type { PodAttachment, PodNetwork } from '../pod-network.ts';

class MemorySocket implements Socket {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly incoming = new AsyncQueue<Uint8Array>();
  peer: MemorySocket | undefined;

  constructor(local: SocketAddress, remote: SocketAddress) {
    this.local = local;
    this.remote = remote;
  }
  async write(chunk: Uint8Array): Promise<void> {
    this.peer?.incoming.push(chunk);
  }
  end(): void {
    this.peer?.incoming.end();
  }
  destroy(error: Error = new Error('connection reset by peer')): void {
    this.incoming.fail(error);
    this.peer?.incoming.end();
  }
}

class MemoryNamespace implements NetworkNamespace {
  readonly ip: string;
  readonly network: MemoryNetwork;
  readonly ports = new Map<number, (socket: Socket) => void>();
  readonly datagrams = new Map<number, DatagramHandler>();

  constructor(ip: string, network: MemoryNetwork) {
    this.ip = ip;
    this.network = network;
  }
  listen(port: number, onConnection: (socket: Socket) => void): Disposable {
    if (this.ports.has(port))
      throw new DialError('EADDRINUSE', `listen tcp ${this.ip}:${port}: address already in use`);
    this.ports.set(port, onConnection);
    return disposable(() => this.ports.delete(port));
  }
  async dial(_context: Context, address: SocketAddress): Promise<Socket> {
    const target = this.network.namespaces.get(address.ip.startsWith('127.') ? this.ip : address.ip);
    const accept = target?.ports.get(address.port);
    if (!target) throw new DialError('EHOSTUNREACH', `dial tcp ${address.ip}:${address.port}: no route to host`);
    if (!accept) throw new DialError('ECONNREFUSED', `dial tcp ${address.ip}:${address.port}: connection refused`);
    const here = { ip: this.ip, port: 40000 };
    const [client, server] = [new MemorySocket(here, address), new MemorySocket(address, here)];
    client.peer = server;
    server.peer = client;
    accept(server);
    return client;
  }
  listenDatagram(port: number, handler: DatagramHandler): Disposable {
    this.datagrams.set(port, handler);
    return disposable(() => this.datagrams.delete(port));
  }
  exchangeDatagram(_context: Context, address: SocketAddress, payload: Uint8Array): Promise<Uint8Array> {
    const handler = this.network.namespaces.get(address.ip)?.datagrams.get(address.port);
    if (!handler) return Promise.reject(new DialError('ETIMEDOUT', `${address.ip}:${address.port}: no answer`));
    return new Promise((resolve) => handler(payload, { ip: this.ip, port: 40000 }, resolve));
  }
}

/** The least network a runtime can have, for tests: every pod reaches every other at once. */
export class MemoryNetwork implements PodNetwork {
  readonly namespaces = new Map<string, MemoryNamespace>();
  readonly host: NetworkNamespace;
  podCidr: string | undefined = '10.244.0.0/24';
  #next = 2;

  constructor(hostIp = '192.168.0.10') {
    const host = new MemoryNamespace(hostIp, this);
    this.namespaces.set(hostIp, host);
    this.host = host;
  }

  setPodCidr(cidr: string): void {
    this.podCidr = cidr;
  }

  /** A host with an address of its own, for servers of the test. */
  add(ip: string): NetworkNamespace {
    const namespace = new MemoryNamespace(ip, this);
    this.namespaces.set(ip, namespace);
    return namespace;
  }

  attach(sandbox: { readonly hostNetwork: boolean }): PodAttachment {
    if (sandbox.hostNetwork) return { namespace: this.host, detach: () => {} };
    if (this.podCidr === undefined) throw new Error('no pod CIDR');
    const namespace = new MemoryNamespace(`10.244.0.${this.#next++}`, this);
    this.namespaces.set(namespace.ip, namespace);
    return { namespace, detach: () => void this.namespaces.delete(namespace.ip) };
  }
}
