import type { Random } from '#base/random';
import type { SocketAddress } from '#base/streams';

/** One port of one Service as a node's packet filter knows it: what kube-proxy writes and the fabric looks up. */
export interface ServiceRule {
  /** `namespace/name`. */
  readonly service: string;
  readonly portName: string;
  readonly protocol: string;
  /** Cluster, external and load-balancer addresses. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly nodePort?: number;
  /** Where traffic to the cluster address goes, after the internal traffic policy. */
  readonly internal: readonly SocketAddress[];
  /** Where traffic to node ports and external addresses goes, after the external traffic policy. */
  readonly external: readonly SocketAddress[];
  /** ClientIP affinity in seconds; absent for none. */
  readonly affinitySeconds?: number;
}

/** What a lookup says: not a service address; a backend to go to; or a service without a ready backend. */
export type Translation = 'none' | 'refused' | SocketAddress;

/** The service rules of one node, looked up by address and port. Survives a crash of the kube-proxy that wrote them. */
export class ServiceTable {
  readonly #random: Random;
  readonly #now: () => number;
  #rules: readonly ServiceRule[] = [];
  #byAddress = new Map<string, ServiceRule>();
  #byNodePort = new Map<string, ServiceRule>();
  readonly #affinity = new Map<string, { readonly backend: SocketAddress; readonly untilMs: number }>();

  constructor(random: Random, now: () => number) {
    this.#random = random;
    this.#now = now;
  }

  get rules(): readonly ServiceRule[] {
    return this.#rules;
  }

  replace(rules: readonly ServiceRule[]): void {
    this.#rules = rules;
    this.#byAddress = new Map();
    this.#byNodePort = new Map();
    for (const rule of rules) {
      for (const address of rule.addresses) this.#byAddress.set(`${rule.protocol}/${address}:${rule.port}`, rule);
      if (rule.nodePort) this.#byNodePort.set(`${rule.protocol}/${rule.nodePort}`, rule);
    }
  }

  /** `clientIp` counts for session affinity. */
  translate(protocol: string, clientIp: string, target: SocketAddress): Translation {
    const rule = this.#byAddress.get(`${protocol}/${target.ip}:${target.port}`);
    return rule ? this.#pick(rule, rule.internal, clientIp) : 'none';
  }

  translateNodePort(protocol: string, clientIp: string, port: number): Translation {
    const rule = this.#byNodePort.get(`${protocol}/${port}`);
    return rule ? this.#pick(rule, rule.external, clientIp) : 'none';
  }

  #pick(rule: ServiceRule, backends: readonly SocketAddress[], clientIp: string): Translation {
    if (rule.affinitySeconds === undefined) return this.#random.pick(backends) ?? 'refused';
    const key = `${rule.service}:${rule.portName}|${clientIp}`;
    const known = this.#affinity.get(key);
    const stillThere =
      known &&
      known.untilMs > this.#now() &&
      backends.some((b) => b.ip === known.backend.ip && b.port === known.backend.port);
    const backend = stillThere ? known.backend : this.#random.pick(backends);
    if (!backend) return 'refused';
    this.#affinity.set(key, { backend, untilMs: this.#now() + rule.affinitySeconds * 1000 });
    return backend;
  }
}
