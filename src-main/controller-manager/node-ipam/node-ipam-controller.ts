import type { Node } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import { InvariantError } from '#base/errors';
import { cidrSize, formatCidr, parseCidr, type Ipv4Block } from '#base/ip';
import type { Informer, Reconciler } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { nodes } from '#client/resources';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';

export interface NodeIpamOptions extends ControllerOptions {
  /** Default `10.244.0.0/16`, as kubeadm users mostly have it. */
  readonly clusterCidr?: string;
}

/** `--node-cidr-mask-size-ipv4`, release 1.36. */
const nodePrefix = 24;

/** Gives every node its own range of pod addresses (kube-controller-manager `nodeipam`, RangeAllocator, release 1.36). */
export class NodeIpamController implements Controller {
  readonly #options: NodeIpamOptions;
  readonly #nodes: Informer<Node>;
  readonly #block: Ipv4Block;
  /** Ranges in use, with those whose assignment the cache does not show yet. */
  readonly #taken = new Map<string, string>();
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: NodeIpamOptions) {
    this.#options = options;
    const { clusterCidr = '10.244.0.0/16' } = options;
    const block = parseCidr(clusterCidr);
    if (!block || block.prefix > nodePrefix)
      throw new InvariantError(`cluster CIDR ${clusterCidr} has no room for a /24`);
    this.#block = block;
    this.#nodes = options.informers.informer<Node>(nodes);
    const sync = (context: Context, key: string): Promise<void> => this.#sync(context, key);
    this.#reconciler = createReconciler({ ...options, name: 'node-ipam', workers: 1, sync });
    const seen = (node: Node): void => {
      const { name = '', resourceVersion } = node.metadata;
      if (node.spec.podCIDR) this.#taken.set(node.spec.podCIDR, name);
      else this.#reconciler.enqueue(name, resourceVersion);
    };
    const handler = this.#nodes.addHandler({
      onAdd: seen,
      onUpdate: (_before, node) => seen(node),
      onDelete: (node) => {
        if (node.spec.podCIDR) this.#taken.delete(node.spec.podCIDR);
      },
    });
    this.#life = new ControllerLife([this.#nodes], [this.#reconciler], [handler]);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  async #sync(context: Context, name: string): Promise<void> {
    const node = this.#nodes.lister.get(name);
    if (!node || node.spec.podCIDR) return;
    const podCIDR = this.#free(name);
    if (!podCIDR) {
      const text = `Node ${name} status is now: CIDRNotAvailable`;
      this.#options.recorder.event(node, 'Normal', 'CIDRNotAvailable', text);
      throw new Error(`all ranges of ${formatCidr(this.#block)} are in use`);
    }
    this.#taken.set(podCIDR, name);
    try {
      const patch = { metadata: { uid: node.metadata.uid }, spec: { podCIDR, podCIDRs: [podCIDR] } };
      await this.#options.client.resource<Node>(nodes).patch(context, '', name, 'merge', patch);
    } catch (error) {
      this.#taken.delete(podCIDR);
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }

  /** The range kept for `name` already, or the first that nobody has. */
  #free(name: string): string | undefined {
    const step = 2 ** (32 - nodePrefix);
    for (let offset = 0; offset < cidrSize(this.#block); offset += step) {
      const range = formatCidr({ base: this.#block.base + offset, prefix: nodePrefix });
      const owner = this.#taken.get(range);
      if (owner === undefined || owner === name) return range;
    }
    return undefined;
  }
}
