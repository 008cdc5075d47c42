import { createHash } from 'node:crypto';
import type { Node } from '#api/gen/types';

/** Names of the labels and annotations by which agents find each other; whoever starts the agent knows them. */
export interface NodeKeys {
  /** Annotation: nodes of one network id are on one link. */
  readonly networkId: string;
  /** Annotation: the address VXLAN packets for this node go to. */
  readonly vtep: string;
  /** Annotation: the hardware address of its VXLAN device. */
  readonly vtepMac: string;
  /** Label: which driver made the node. */
  readonly driver: string;
}

/** The value of the driver label on simulated nodes: packets do not go there. */
const simulatedDriver = 'embedded';

/** Undefined while the kubelet has not said it. */
export function internalIP(node: Node): string | undefined {
  return node.status?.addresses?.find((one) => one.type === 'InternalIP')?.address;
}

export function isSimulated(node: Node, keys: NodeKeys): boolean {
  return node.metadata.labels?.[keys.driver] === simulatedDriver;
}

export function isReady(node: Node): boolean {
  return (node.status?.conditions ?? []).some((one) => one.type === 'Ready' && one.status === 'True');
}

/** Made of the node's name, so that a restart keeps it: unicast, locally administered. */
export function vtepMacOf(nodeName: string): string {
  const digest = createHash('sha256').update(`vtep/${nodeName}`).digest();
  return ['02', ...[...digest.subarray(0, 5)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}
