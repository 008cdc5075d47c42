import type { NetworkNamespace } from '#base/streams';

/** A sandbox's place on the network. */
export interface PodAttachment {
  readonly namespace: NetworkNamespace;
  /** Gives the address back and breaks the sandbox's connections. Idempotent. */
  detach(): void;
}

/** What the simulated runtime needs of the network of its node, as a runtime needs CNI. */
export interface PodNetwork {
  /** Throws Error when no address can be given: the message goes into the pod's events. */
  attach(sandbox: {
    readonly id: string;
    readonly namespace: string;
    readonly name: string;
    readonly hostNetwork: boolean;
  }): PodAttachment | Promise<PodAttachment>;
  /** The range pod addresses are taken from; undefined while the node has none, and with it no network for pods. */
  readonly podCidr: string | undefined;
  setPodCidr(cidr: string): void;
}
