import { createHash } from 'node:crypto';
import type { SocketAddress } from '#base/streams';
import type { ServiceRule } from '../service-rules.ts';

/** Everything kube-proxy writes is in this table of family `ip`; nobody else may touch it. */
export const table = 'kube-proxy';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Eight letters that tell names apart at a glance which differ in a digit only (pkg/proxy/nftables, release 1.36). */
function hashed(name: string): string {
  const digest = createHash('sha256').update(name).digest();
  const letters = [...digest.subarray(0, 8)].map((byte) => alphabet[byte % 32]);
  return `${letters.join('')}-${name}`;
}

/** The chains and sets of one service port, under upstream's names: `service-ULMVA6XW-ns1/web/tcp/http`. */
export class RuleNames {
  readonly #base: string;
  readonly #port: string;
  readonly #rule: ServiceRule;

  constructor(rule: ServiceRule) {
    this.#rule = rule;
    this.#port = `${rule.service}/${rule.protocol.toLowerCase()}/${rule.portName}`;
    this.#base = hashed(this.#port);
  }

  /** To any backend. */
  get service(): string {
    return `service-${this.#base}`;
  }
  /** To backends on this node. */
  get local(): string {
    return `local-${this.#base}`;
  }
  /** From outside, before a policy was applied. */
  get external(): string {
    return `external-${this.#base}`;
  }
  get firewall(): string {
    return `firewall-${this.#base}`;
  }
  endpoint({ ip, port }: SocketAddress): string {
    return `endpoint-${hashed(`${this.#port}__${ip}/${port}`)}`;
  }
  /** Clients that stick to one backend. Named after the timeout too: that of an existing set cannot be changed. */
  affinity({ ip, port }: SocketAddress): string {
    return `affinity-${hashed(`${this.#port}__${ip}/${port}/${this.#rule.affinitySeconds ?? 0}s`)}`;
  }
}

/** Chains of {@link RuleNames}: those that come and go with Services. */
export function isServiceChain(name: string): boolean {
  return /^(service|local|external|firewall|endpoint)-[A-Z2-7]{8}-/.test(name);
}

export function isAffinitySet(name: string): boolean {
  return name.startsWith('affinity-');
}
