import type { Node } from '#api/gen/types';
import { formatIpv4, parseCidr } from '#base/ip';
import { internalIP, isSimulated, type NodeKeys } from '../node-facts.ts';

export const vxlanDevice = 'drydock.vxlan';

/** One tunnel end: who has it, on which node. */
export interface Tunnel {
  /** The address of the other node's VXLAN device: the first of its pod range, which no pod gets. */
  readonly address: string;
  readonly mac: string;
  /** Where packets for it are sent on the link below. */
  readonly vtep: string;
}

/** Everything of the node's routing that is ours, in the words of `ip route`. */
export interface WantedRoutes {
  /** By destination: the rest of the route. `blackhole` is a type, all others begin with `via`. */
  readonly routes: ReadonlyMap<string, string>;
  readonly tunnels: readonly Tunnel[];
}

export interface RoutingOptions {
  readonly nodeName: string;
  readonly networkId: string;
  readonly clusterCidr: string;
  readonly keys: NodeKeys;
}

/** The address of a node's VXLAN device: the first of its pod range. Undefined when `podCIDR` is none. */
export function tunnelAddress(podCIDR: string): string | undefined {
  const block = parseCidr(podCIDR);
  return block && formatIpv4(block.base);
}

/**
 * Routes to the pods of all other nodes: through the node's own address when it is on the same network, else through VXLAN
 * (as flannel's vxlan backend with DirectRouting does). Nothing for simulated nodes, whose pods are no packets' business, and
 * nothing for nodes that have not said enough yet. The rest of the cluster's range goes nowhere, never to the default
 * gateway.
 */
export function wantedRoutes(nodes: readonly Node[], options: RoutingOptions): WantedRoutes {
  const { nodeName, networkId, clusterCidr, keys } = options;
  const routes = new Map([[clusterCidr, 'blackhole']]);
  const tunnels: Tunnel[] = [];
  for (const node of nodes) {
    const podCIDR = node.spec.podCIDR;
    const ip = internalIP(node);
    if (node.metadata.name === nodeName || isSimulated(node, keys) || !podCIDR) continue;
    const { [keys.networkId]: theirs, [keys.vtep]: vtep, [keys.vtepMac]: mac } = node.metadata.annotations ?? {};
    if (theirs === undefined) continue;
    if (theirs === networkId) {
      if (ip) routes.set(podCIDR, `via ${ip}`);
      continue;
    }
    const address = tunnelAddress(podCIDR);
    if (!vtep || !mac || !address) continue;
    tunnels.push({ address, mac, vtep });
    routes.set(podCIDR, `via ${address} dev ${vxlanDevice} onlink`);
  }
  return { routes, tunnels };
}
