import { createHash } from 'node:crypto';
import type { Namespace, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, Pod } from '#api/gen/types';
import { parseCidr } from '#base/ip';
import { matchesLabelSelector } from '#client/label-selectors';

export type Direction = 'ingress' | 'egress';
export type PolicyProtocol = 'tcp' | 'udp' | 'sctp';

/** Who is at the other end: anybody, the pods of a set, or addresses of a block without some. */
export type PeerMatch =
  | { readonly kind: 'any' }
  | { readonly kind: 'set'; readonly set: string }
  | { readonly kind: 'block'; readonly cidr: string; readonly except: readonly string[] };

/** To which ports: any, ranges of one protocol (both ends count), or what pods call by a name (a set of address, protocol, port). */
export type PortMatch =
  | { readonly kind: 'any' }
  | { readonly kind: 'protocol'; readonly protocol: PolicyProtocol }
  | {
      readonly kind: 'ranges';
      readonly protocol: PolicyProtocol;
      readonly ranges: readonly (readonly [number, number])[];
    }
  | { readonly kind: 'named'; readonly set: string };

/** Packets that match both may pass. */
export interface PolicyRule {
  readonly peer: PeerMatch;
  readonly port: PortMatch;
}

/**
 * What a node enforces, in the shape of its ruleset. Names are hashes of what they stand for, so a chain never changes: other rules
 * are another chain. Pods under the same policies share one.
 *
 *   isolated.ingress: 10.244.1.5 -> i-3f…    chains: i-3f… = [peer @p-77… port tcp 80, …], then drop
 *                                            sets:   p-77… = { 10.244.2.8, 10.244.1.9 }
 */
export interface PolicyState {
  /** The addresses of pods that a policy's peers or a port's name stand for. */
  readonly addressSets: ReadonlyMap<string, ReadonlySet<string>>;
  /** Elements `address . protocol . port`. */
  readonly portSets: ReadonlyMap<string, ReadonlySet<string>>;
  readonly chains: ReadonlyMap<string, readonly PolicyRule[]>;
  /** For this node's isolated pods, by address: the chain that says what may come in or go out. */
  readonly isolated: Readonly<Record<Direction, ReadonlyMap<string, string>>>;
}

export interface PolicyInput {
  readonly nodeName: string;
  readonly policies: readonly NetworkPolicy[];
  readonly pods: readonly Pod[];
  readonly namespaces: readonly Namespace[];
}

type Labels = Readonly<Record<string, string>> | undefined;

/** Whether packets have `pod`'s address: not those of finished pods, whose address may be another's, nor of the host network. */
export function hasOwnAddress(pod: Pod): boolean {
  const { phase, podIP } = pod.status ?? {};
  return !pod.spec?.hostNetwork && Boolean(podIP) && phase !== 'Succeeded' && phase !== 'Failed';
}

/** NetworkPolicy as one function of the whole (networking.k8s.io/v1, release 1.36). IPv4 only. */
export function policyState(input: PolicyInput): PolicyState {
  return new Builder(input).build();
}

class Builder {
  readonly #input: PolicyInput;
  readonly #pods: readonly Pod[];
  readonly #namespaceLabels: ReadonlyMap<string, Labels>;
  readonly #addressSets = new Map<string, ReadonlySet<string>>();
  readonly #portSets = new Map<string, ReadonlySet<string>>();
  readonly #chains = new Map<string, readonly PolicyRule[]>();
  readonly #rules = new Map<string, readonly PolicyRule[]>();

  constructor(input: PolicyInput) {
    this.#input = input;
    this.#pods = input.pods.filter(hasOwnAddress);
    this.#namespaceLabels = new Map(input.namespaces.map(({ metadata }) => [metadata.name ?? '', metadata.labels]));
  }

  build(): PolicyState {
    const isolated = { ingress: new Map<string, string>(), egress: new Map<string, string>() };
    const byNamespace = groupBy(this.#input.policies, ({ metadata }) => metadata.namespace ?? '');
    for (const pod of this.#pods) {
      if (pod.spec?.nodeName !== this.#input.nodeName) continue;
      const candidates = byNamespace.get(pod.metadata.namespace ?? '') ?? [];
      const policies = candidates.filter((one) =>
        matchesLabelSelector(one.spec.podSelector ?? {}, pod.metadata.labels),
      );
      for (const direction of ['ingress', 'egress'] as const) {
        const isolating = policies.filter((one) => isolates(one, direction));
        if (isolating.length > 0) isolated[direction].set(addressOf(pod), this.#chain(isolating, direction));
      }
    }
    return { addressSets: this.#addressSets, portSets: this.#portSets, chains: this.#chains, isolated };
  }

  #chain(policies: readonly NetworkPolicy[], direction: Direction): string {
    const rules = policies.flatMap((policy) => this.#rulesOf(policy, direction));
    const name = `${direction === 'ingress' ? 'i' : 'e'}-${hash(rules)}`;
    this.#chains.set(name, rules);
    return name;
  }

  #rulesOf(policy: NetworkPolicy, direction: Direction): readonly PolicyRule[] {
    const { namespace = '', name = '' } = policy.metadata;
    const key = `${direction} ${namespace}/${name}`;
    const known = this.#rules.get(key);
    if (known) return known;
    const wanted: readonly { peers: readonly NetworkPolicyPeer[]; ports: readonly NetworkPolicyPort[] }[] =
      direction === 'ingress'
        ? (policy.spec.ingress ?? []).map(({ from = [], ports = [] }) => ({ peers: from, ports }))
        : (policy.spec.egress ?? []).map(({ to = [], ports = [] }) => ({ peers: to, ports }));
    const rules = wanted.flatMap(({ peers, ports }) => {
      const portMatches = this.#portMatches(ports);
      return this.#peerMatches(peers, namespace).flatMap((peer) => portMatches.map((port) => ({ peer, port })));
    });
    this.#rules.set(key, rules);
    return rules;
  }

  /** All selectors of one rule become one set: a packet matches any of them. */
  #peerMatches(peers: readonly NetworkPolicyPeer[], namespace: string): readonly PeerMatch[] {
    if (peers.length === 0) return [{ kind: 'any' }];
    const matches: PeerMatch[] = [];
    const selectors = peers.filter((one) => one.podSelector ?? one.namespaceSelector);
    if (selectors.length > 0) matches.push({ kind: 'set', set: this.#peerSet(selectors, namespace) });
    for (const { ipBlock } of peers) {
      if (!ipBlock || !parseCidr(ipBlock.cidr)) continue;
      matches.push({
        kind: 'block',
        cidr: ipBlock.cidr,
        except: (ipBlock.except ?? []).filter((one) => parseCidr(one)),
      });
    }
    return matches;
  }

  #peerSet(peers: readonly NetworkPolicyPeer[], namespace: string): string {
    const scoped = peers.map(({ podSelector, namespaceSelector }) => ({
      podSelector,
      ...(namespaceSelector ? { namespaceSelector } : { namespace }),
    }));
    const name = `p-${hash(scoped)}`;
    if (this.#addressSets.has(name)) return name;
    const members = this.#pods.filter((pod) => peers.some((peer) => this.#isPeer(pod, peer, namespace)));
    this.#addressSets.set(name, new Set(members.map(addressOf)));
    return name;
  }

  #isPeer(pod: Pod, { podSelector, namespaceSelector }: NetworkPolicyPeer, namespace: string): boolean {
    const own = pod.metadata.namespace ?? '';
    const inNamespace = namespaceSelector
      ? matchesLabelSelector(namespaceSelector, this.#namespaceLabels.get(own))
      : own === namespace;
    return inNamespace && (podSelector === undefined || matchesLabelSelector(podSelector, pod.metadata.labels));
  }

  #portMatches(ports: readonly NetworkPolicyPort[]): readonly PortMatch[] {
    if (ports.length === 0) return [{ kind: 'any' }];
    const matches: PortMatch[] = [];
    const ranges = new Map<PolicyProtocol, (readonly [number, number])[]>();
    for (const { protocol: spelled = 'TCP', port, endPort } of ports) {
      const protocol = protocolOf(spelled);
      if (port === undefined) matches.push({ kind: 'protocol', protocol });
      else if (typeof port === 'string') matches.push({ kind: 'named', set: this.#portSet(port, protocol) });
      else ranges.set(protocol, [...(ranges.get(protocol) ?? []), [port, endPort ?? port]]);
    }
    for (const [protocol, list] of ranges) matches.push({ kind: 'ranges', protocol, ranges: merge(list) });
    return matches;
  }

  #portSet(portName: string, protocol: PolicyProtocol): string {
    const name = `n-${hash([portName, protocol])}`;
    if (this.#portSets.has(name)) return name;
    const elements = this.#pods.flatMap((pod) =>
      listeners(pod)
        .filter((port) => port.name === portName && protocolOf(port.protocol ?? 'TCP') === protocol)
        .map((port) => `${addressOf(pod)} . ${protocol} . ${port.containerPort}`),
    );
    this.#portSets.set(name, new Set(elements));
    return name;
  }
}

/** `policyTypes`, or what stands for it in an object from before it was defaulted. */
function isolates({ spec }: NetworkPolicy, direction: Direction): boolean {
  const types = spec.policyTypes ?? ['Ingress', ...(spec.egress ? ['Egress'] : [])];
  return types.includes(direction === 'ingress' ? 'Ingress' : 'Egress');
}

function addressOf(pod: Pod): string {
  return pod.status?.podIP ?? '';
}

/** Ports of containers that go on running: sidecars count among them. */
function listeners(pod: Pod): readonly { name?: string; protocol?: string; containerPort: number }[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter((one) => one.restartPolicy === 'Always');
  return [...sidecars, ...(pod.spec?.containers ?? [])].flatMap((one) => one.ports ?? []);
}

function protocolOf(spelled: string): PolicyProtocol {
  return spelled === 'UDP' ? 'udp' : spelled === 'SCTP' ? 'sctp' : 'tcp';
}

/** Ranges that overlap or touch become one: nftables refuses sets whose ranges overlap. */
function merge(ranges: readonly (readonly [number, number])[]): readonly (readonly [number, number])[] {
  const merged: [number, number][] = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = merged[merged.length - 1];
    if (last && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item)) ?? [];
    group.push(item);
    groups.set(keyOf(item), group);
  }
  return groups;
}
