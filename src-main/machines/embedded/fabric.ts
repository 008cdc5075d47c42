import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { cidrSize, formatIpv4, parseCidr } from '#base/ip';
import { CancelledError, InvariantError } from '#base/errors';
import type { Random } from '#base/random';
import { DialError, type Socket, type SocketAddress } from '#base/streams';
import { LinkFaults } from './link-faults.ts';
import { FabricNamespace, type Wire } from './namespace.ts';
import { ServiceTable, type Translation } from './service-table.ts';
import { socketPair } from './socket-pair.ts';
import { FaultyStreamLink } from './stream-link.ts';

/** What Linux waits for an unanswered SYN (tcp_syn_retries = 6), in milliseconds. */
const connectTimeoutMs = 127_000;
/** What Linux waits for an ARP answer before it says "no route to host", in milliseconds. */
const neighbourTimeoutMs = 3_000;
/** What a resolver waits for a datagram before it tries again, in milliseconds. */
const datagramTimeoutMs = 5_000;

/** A pod's place on the network, as the simulator's runtime asks for it. */
export interface PodAttachment {
  readonly namespace: FabricNamespace;
  /** Gives the address back and breaks the pod's connections. Idempotent. */
  detach(): void;
}

/** One node on the fabric: its own address, its pods' addresses, its service rules. */
export class FabricNode {
  readonly name: string;
  readonly host: FabricNamespace;
  readonly services: ServiceTable;
  readonly #fabric: Fabric;
  #podCidr: string | undefined;
  #cursor = 1;
  #up = true;
  readonly #pods = new Map<string, FabricNamespace>();

  constructor(fabric: Fabric, name: string, host: FabricNamespace, services: ServiceTable) {
    this.#fabric = fabric;
    this.name = name;
    this.host = host;
    this.services = services;
  }

  get up(): boolean {
    return this.#up;
  }

  get podCidr(): string | undefined {
    return this.#podCidr;
  }

  /** The range pod addresses are taken from. Addresses already given out stay. */
  setPodCidr(cidr: string): void {
    if (!parseCidr(cidr)) throw new InvariantError(`not a CIDR: ${cidr}`);
    this.#podCidr = cidr;
  }

  /** Power and network cable in one: a node that is down answers nothing and its connections are dead. */
  setUp(up: boolean): void {
    if (this.#up === up) return;
    this.#up = up;
    if (up) return;
    const gone = new Error(`ECONNRESET: node ${this.name} is down`);
    for (const pod of this.#pods.values()) {
      pod.tearDown(gone);
      this.#fabric.release(pod.ip);
    }
    this.#pods.clear();
    this.host.tearDown(gone);
  }

  /** Plugs a pod in. Throws Error when the node has no pod CIDR yet, or no address left in it. */
  attach(sandbox: { readonly id: string; readonly hostNetwork: boolean }): PodAttachment {
    if (sandbox.hostNetwork) return { namespace: this.host, detach: () => {} };
    const ip = this.#takeAddress();
    const namespace = this.#fabric.plug(ip, this.name);
    this.#pods.set(sandbox.id, namespace);
    return {
      namespace,
      detach: () => {
        if (this.#pods.get(sandbox.id) !== namespace) return;
        this.#pods.delete(sandbox.id);
        namespace.tearDown(new Error('ECONNRESET: connection reset by peer'));
        this.#fabric.release(ip);
      },
    };
  }

  /** host-local's way: the next address after the last one given, so that a fresh one is not at once given again. */
  #takeAddress(): string {
    const block = this.#podCidr === undefined ? undefined : parseCidr(this.#podCidr);
    if (!block) throw new Error('container runtime network not ready: the node has no pod CIDR yet');
    const size = cidrSize(block);
    for (let tried = 0; tried < size - 3; tried++) {
      this.#cursor = this.#cursor >= size - 2 ? 2 : this.#cursor + 1;
      const ip = formatIpv4(block.base + this.#cursor);
      if (!this.#fabric.has(ip)) return ip;
    }
    throw new Error(`no IP addresses available in range set: ${this.#podCidr ?? ''}`);
  }
}

/** The simulated network of one lab: every node and pod address, routes between them. */
export class Fabric implements Wire {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #nodes = new Map<string, FabricNode>();
  readonly #namespaces = new Map<string, FabricNamespace>();
  /** What is broken on purpose. */
  readonly links: LinkFaults;

  constructor(options: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.links = new LinkFaults(options.clock, options.random);
  }

  addNode(name: string, ip: string): FabricNode {
    if (this.#nodes.has(name)) throw new InvariantError(`node ${name} is on the fabric already`);
    const host = this.plug(ip, name);
    const node = new FabricNode(this, name, host, new ServiceTable(this.#random, () => this.#clock.now()));
    this.#nodes.set(name, node);
    return node;
  }

  removeNode(name: string): void {
    const node = this.#nodes.get(name);
    if (!node) return;
    node.setUp(false);
    this.release(node.host.ip);
    this.#nodes.delete(name);
  }

  node(name: string): FabricNode | undefined {
    return this.#nodes.get(name);
  }

  get nodes(): readonly FabricNode[] {
    return [...this.#nodes.values()];
  }

  /** The node whose own address is `ip`. */
  nodeByIp(ip: string): FabricNode | undefined {
    return this.nodes.find((node) => node.host.ip === ip);
  }

  plug(ip: string, nodeName: string): FabricNamespace {
    if (this.#namespaces.has(ip)) throw new InvariantError(`address ${ip} is taken`);
    const namespace = new FabricNamespace(ip, nodeName, this);
    this.#namespaces.set(ip, namespace);
    return namespace;
  }

  release(ip: string): void {
    this.#namespaces.delete(ip);
  }

  has(ip: string): boolean {
    return this.#namespaces.has(ip);
  }

  async dial(context: Context, from: FabricNamespace, address: SocketAddress): Promise<Socket> {
    const target = this.#route('TCP', from, address);
    if (target === 'refused')
      throw new DialError('ECONNREFUSED', `connect ${address.ip}:${address.port}: connection refused`);
    const namespace = await this.#connect(context, from, target, address);
    const accept = namespace.listener(target.port);
    if (!accept) throw new DialError('ECONNREFUSED', `connect ${address.ip}:${address.port}: connection refused`);
    const local: SocketAddress = { ip: from.ip, port: from.ephemeralPort() };
    const [here, there] = [from.nodeName, namespace.nodeName];
    const links = {
      out: new FaultyStreamLink(this.links, here, there),
      back: new FaultyStreamLink(this.links, there, here),
    };
    const [near, far] = socketPair(local, target, links, () => {
      from.untrack(near);
      namespace.untrack(far);
    });
    from.track(near);
    namespace.track(far);
    accept(far);
    return near;
  }

  async exchange(
    context: Context,
    from: FabricNamespace,
    address: SocketAddress,
    payload: Uint8Array,
  ): Promise<Uint8Array> {
    const target = this.#route('UDP', from, address);
    if (target === 'refused')
      throw new DialError('ECONNREFUSED', `udp ${address.ip}:${address.port}: connection refused`);
    const limit = context.withTimeout(this.#clock, datagramTimeoutMs);
    try {
      const namespace = await this.#reach(limit.context, target);
      await this.#travel(limit.context, from, namespace, address);
      const handler = namespace.datagramListener(target.port);
      if (!handler) throw new DialError('ECONNREFUSED', `udp ${address.ip}:${address.port}: connection refused`);
      return await new Promise<Uint8Array>((resolve, reject) => {
        limit.context.onEnd(() => reject(new DialError('ETIMEDOUT', `udp ${address.ip}:${address.port}: i/o timeout`)));
        handler(payload, { ip: from.ip, port: from.ephemeralPort() }, (answer) => {
          const [here, there] = [from.nodeName, namespace.nodeName];
          if (this.links.loses(there, here)) return;
          const { latencyMs } = this.links.between(there, here);
          if (latencyMs > 0) this.#clock.setTimer(latencyMs, () => resolve(answer));
          else resolve(answer);
        });
      });
    } finally {
      limit.cancel();
    }
  }

  /** The handshake of a connection: over a broken link it takes its time, or never comes to an end. */
  async #connect(
    context: Context,
    from: FabricNamespace,
    target: SocketAddress,
    address: SocketAddress,
  ): Promise<FabricNamespace> {
    const limit = context.withTimeout(this.#clock, connectTimeoutMs);
    try {
      if (this.#dnsDropped(from, address)) await this.#clock.sleep(limit.context, connectTimeoutMs);
      const namespace = await this.#reach(limit.context, target);
      await this.links.handshake(limit.context, from.nodeName, namespace.nodeName);
      return namespace;
    } catch (error) {
      if (context.ended || !(error instanceof CancelledError)) throw error;
      throw new DialError('ETIMEDOUT', `connect ${target.ip}:${target.port}: connection timed out`);
    } finally {
      limit.cancel();
    }
  }

  /** The way of one datagram: lost ones never arrive, so the sender's patience ends first. */
  async #travel(context: Context, from: FabricNamespace, to: FabricNamespace, address: SocketAddress): Promise<void> {
    const [here, there] = [from.nodeName, to.nodeName];
    if (this.#dnsDropped(from, address) || this.links.loses(here, there)) {
      await new Promise<void>((resolve) => context.onEnd(resolve));
      throw new DialError('ETIMEDOUT', `udp ${address.ip}:${address.port}: i/o timeout`);
    }
    const { latencyMs } = this.links.between(here, there);
    if (latencyMs > 0) await this.#clock.sleep(context, latencyMs);
  }

  /** Queries of pods only: the node's own programs do not pass where they are dropped. */
  #dnsDropped(from: FabricNamespace, address: SocketAddress): boolean {
    const isPod = this.#nodes.get(from.nodeName)?.host !== from;
    return address.port === 53 && isPod && this.links.dnsDropped(from.nodeName);
  }

  /** Applies the service rules that the packet meets: those of the sender's node, then those of a node it is sent to. */
  #route(protocol: string, from: FabricNamespace, address: SocketAddress): Exclude<Translation, 'none'> {
    const sender = this.#nodes.get(from.nodeName);
    const translated = sender?.services.translate(protocol, from.ip, address) ?? 'none';
    if (translated !== 'none') return translated;
    const entered = this.nodeByIp(address.ip);
    const forwarded = entered?.up ? entered.services.translateNodePort(protocol, from.ip, address.port) : 'none';
    return forwarded === 'none' ? address : forwarded;
  }

  /** The namespace that owns the address, or the failure a real network would show after the time it would take. */
  async #reach(context: Context, target: SocketAddress): Promise<FabricNamespace> {
    const namespace = this.#namespaces.get(target.ip);
    if (!namespace) {
      await this.#clock.sleep(context, neighbourTimeoutMs);
      throw new DialError('EHOSTUNREACH', `connect ${target.ip}:${target.port}: no route to host`);
    }
    if (this.#nodes.get(namespace.nodeName)?.up === false) {
      await this.#clock.sleep(context, connectTimeoutMs);
      throw new DialError('ETIMEDOUT', `connect ${target.ip}:${target.port}: connection timed out`);
    }
    return namespace;
  }
}
