import { createHash } from 'node:crypto';
import type { EndpointSlice, Node, Service } from '#api/gen/types';
import { parseIpv4 } from '#base/ip';
import { internalIP, isReady, isSimulated, type NodeKeys } from '../node-facts.ts';

/** Nodes that carry it hold no addresses (well-known label of Kubernetes). */
const excludeLabel = 'node.kubernetes.io/exclude-from-external-load-balancers';

export interface HolderInput {
  readonly services: readonly Service[];
  readonly nodes: readonly Node[];
  /** The slices of one Service. */
  readonly slicesOf: (service: Service) => readonly EndpointSlice[];
  readonly keys: NodeKeys;
}

/**
 * Which node answers for each address that Services of type LoadBalancer were given. Every agent computes the same from the same
 * objects, so nobody has to vote: among the Ready nodes of the network the address belongs to, the one with the highest hash
 * of address and name. When a node is no longer Ready, only its addresses move.
 */
export function addressHolders({ services, nodes, slicesOf, keys }: HolderInput): ReadonlyMap<string, string> {
  const real = nodes.filter((node) => !isSimulated(node, keys) && parseIpv4(internalIP(node) ?? '') !== undefined);
  const holders = new Map<string, string>();
  for (const service of services) {
    if (service.spec.type !== 'LoadBalancer') continue;
    for (const { ip, ipMode } of service.status?.loadBalancer?.ingress ?? []) {
      const value = ip === undefined ? undefined : parseIpv4(ip);
      if (ip === undefined || value === undefined || ipMode === 'Proxy') continue;
      const candidates = onNetworkOf(value, real, keys).filter(mayHold);
      const local = service.spec.externalTrafficPolicy === 'Local';
      const holder = elect(ip, local ? withEndpoint(candidates, slicesOf(service)) : candidates);
      if (holder !== undefined) holders.set(ip, holder);
    }
  }
  return holders;
}

/** The address was taken from the range of one of the networks: of that whose node's address begins most like it. */
function onNetworkOf(value: number, nodes: readonly Node[], keys: NodeKeys): readonly Node[] {
  let nearest: Node | undefined;
  let longest = -1;
  for (const node of nodes) {
    const shared = Math.clz32((parseIpv4(internalIP(node) ?? '') ?? 0) ^ value);
    if (shared <= longest) continue;
    longest = shared;
    nearest = node;
  }
  const networkId = nearest?.metadata.annotations?.[keys.networkId];
  return nodes.filter((node) => node.metadata.annotations?.[keys.networkId] === networkId);
}

function mayHold(node: Node): boolean {
  return isReady(node) && node.metadata.labels?.[excludeLabel] === undefined;
}

function withEndpoint(nodes: readonly Node[], slices: readonly EndpointSlice[]): readonly Node[] {
  const ready = slices.flatMap((slice) => (slice.endpoints ?? []).filter((one) => one.conditions?.ready !== false));
  const names = new Set(ready.map((one) => one.nodeName));
  return nodes.filter((node) => names.has(node.metadata.name));
}

function elect(ip: string, nodes: readonly Node[]): string | undefined {
  let best: { readonly name: string; readonly rank: string } | undefined;
  for (const { metadata } of nodes) {
    const name = metadata.name ?? '';
    const rank = createHash('sha256').update(`${ip} ${name}`).digest('hex');
    if (!best || rank > best.rank) best = { name, rank };
  }
  return best?.name;
}
