import { join } from 'node:path';
import type { Node } from '#api/gen/types';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { Informer, InformerFactory, KubeClient, Reconciler } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { nodes } from '#client/resources';
import { cniConfig, cniConfigName, podMtu, writeWhole } from './cni/cni-config.ts';
import { HostPortForwarder } from './host-ports.ts';
import type { Kernel } from './kernel.ts';
import { mainLink } from './link.ts';
import { AddressHolder } from './load-balancer/address-holder.ts';
import { internalIP, vtepMacOf, type NodeKeys } from './node-facts.ts';
import { applyEgress } from './node-setup.ts';
import { PolicyEnforcer } from './policy/policy-enforcer.ts';
import { applyRoutes, type TunnelEnd } from './routes/route-table.ts';
import { tunnelAddress, wantedRoutes } from './routes/wanted-routes.ts';

export interface NetworkAgentOptions {
  readonly nodeName: string;
  readonly networkId: string;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly keys: NodeKeys;
  /** `/etc/cni/net.d`. */
  readonly cniFolder: string;
  readonly kernel: Kernel;
  readonly client: KubeClient;
  /** Owned by the agent: started with it. */
  readonly informers: InformerFactory;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Pods come and go in crowds: one ruleset for all of them. */
const crowdDelayMs = 50;
/** What the kernel forgot without telling us (a link that went down, a person's `ip route flush`) is mended after this. */
const resyncMs = 15_000;

type Part = 'node' | 'routes' | 'egress';
type PodPart = 'policies' | 'policy-check' | 'host-ports' | 'balancers';

/**
 * Makes the network of one node what the cluster's objects say: CNI configuration, annotations of its own Node, routes and
 * tunnels to the others. Everything is computed from the whole and compared with what is there, so a restart changes nothing.
 */
export class NetworkAgent {
  readonly #options: NetworkAgentOptions;
  readonly #nodes: Informer<Node>;
  readonly #queue: Reconciler;
  /** A queue of its own: routes do not wait for the lists of all pods and Services. */
  readonly #podQueue: Reconciler;
  readonly #policies: PolicyEnforcer;
  readonly #hostPorts: HostPortForwarder;
  readonly #balancers: AddressHolder;

  constructor(options: NetworkAgentOptions) {
    this.#options = options;
    const { clock, random, logger, informers } = options;
    this.#nodes = informers.informer<Node>(nodes);
    this.#queue = createReconciler({
      ...{ name: 'network', clock, random, logger, workers: 1 },
      sync: (context, key) => this.#sync(context, key as Part),
    });
    this.#podQueue = createReconciler({
      ...{ name: 'network-pods', clock, random, logger, workers: 1 },
      sync: (context, key) => this.#syncPods(context, key as PodPart),
    });
    const { nodeName, kernel, keys } = options;
    const parts = { nodeName, kernel, informers };
    const later = (part: PodPart) => (): void => this.#podQueue.enqueueAfter(part, crowdDelayMs);
    this.#policies = new PolicyEnforcer({ ...parts, onChange: later('policies') });
    this.#hostPorts = new HostPortForwarder({ ...parts, onChange: later('host-ports') });
    this.#balancers = new AddressHolder({ ...parts, keys, logger, onChange: later('balancers') });
  }

  /** Works until `life` ends. What was set stays: a restarted agent finds it, and pods go on meanwhile. */
  start(life: Context): void {
    const { informers } = this.#options;
    this.#nodes.addHandler({
      onAdd: (node) => this.#onNode(node),
      onUpdate: (before, after) => {
        if (routingFacts(before) !== routingFacts(after)) this.#onNode(after);
      },
      onDelete: (node) => this.#onNode(node),
    });
    informers.start(life);
    this.#queue.start(life);
    this.#queue.enqueue('egress');
    this.#podQueue.start(life);
    for (const part of ['policies', 'host-ports', 'balancers'] as const) this.#podQueue.enqueue(part);
    this.#resync(life);
  }

  #onNode(node: Node): void {
    if (node.metadata.name === this.#options.nodeName) this.#queue.enqueue('node');
    this.#queue.enqueue('routes');
  }

  #resync(life: Context): void {
    if (life.ended) return;
    const timer = this.#options.clock.setTimer(resyncMs, () => {
      for (const part of ['node', 'routes'] as const) this.#queue.enqueue(part);
      for (const part of ['policy-check', 'balancers'] as const) this.#podQueue.enqueue(part);
      this.#resync(life);
    });
    life.onEnd(() => timer.dispose());
  }

  async #sync(context: Context, part: Part): Promise<void> {
    switch (part) {
      case 'egress':
        return applyEgress(this.#options.kernel, context, this.#options);
      case 'node':
        return this.#syncNode(context);
      case 'routes':
        return this.#syncRoutes(context);
    }
  }

  async #syncPods(context: Context, part: PodPart): Promise<void> {
    switch (part) {
      case 'policies':
        return this.#policies.sync(context);
      case 'policy-check':
        return this.#policies.check(context);
      case 'host-ports':
        return this.#hostPorts.sync(context);
      case 'balancers':
        return this.#balancers.sync(context);
    }
  }

  get #self(): Node | undefined {
    return this.#nodes.lister.get(this.#options.nodeName);
  }

  async #syncNode(context: Context): Promise<void> {
    const node = this.#self;
    const ip = node && internalIP(node);
    if (!node || !ip) return;
    await this.#annotate(context, node, ip);
    const { podCIDR } = node.spec;
    if (!podCIDR) return;
    const { kernel, cniFolder, logger } = this.#options;
    const link = await mainLink(kernel, context, ip);
    if (!link) throw new Error(`no device has the node's address ${ip}, and there is no default route`);
    if (await writeWhole(join(cniFolder, cniConfigName), cniConfig(podCIDR, link.mtu)))
      logger.info('CNI configuration written', { podCIDR, mtu: podMtu(link.mtu), device: link.name });
  }

  async #annotate(context: Context, node: Node, ip: string): Promise<void> {
    const { client, keys, networkId, nodeName } = this.#options;
    const wanted = { [keys.networkId]: networkId, [keys.vtep]: ip, [keys.vtepMac]: vtepMacOf(nodeName) };
    const { annotations = {} } = node.metadata;
    if (Object.entries(wanted).every(([key, value]) => annotations[key] === value)) return;
    await client.resource<Node>(nodes).patch(context, '', nodeName, 'merge', { metadata: { annotations: wanted } });
  }

  async #syncRoutes(context: Context): Promise<void> {
    // Before the first list nothing is known, and what a former life set must stay.
    if (!this.#nodes.hasSynced) {
      await this.#nodes.waitForSync(context);
    }
    const { kernel } = this.#options;
    const wanted = wantedRoutes(this.#nodes.lister.list(), this.#options);
    await applyRoutes(kernel, context, wanted, await this.#tunnelEnd(context));
  }

  async #tunnelEnd(context: Context): Promise<TunnelEnd | undefined> {
    const node = this.#self;
    const vtep = node && internalIP(node);
    const address = node?.spec.podCIDR && tunnelAddress(node.spec.podCIDR);
    if (!vtep || !address) return undefined;
    const link = await mainLink(this.#options.kernel, context, vtep);
    return link && { address, vtep, mac: vtepMacOf(this.#options.nodeName), mtu: podMtu(link.mtu) };
  }
}

/** What of a Node routes depend on: heartbeats change none of it. */
function routingFacts(node: Node): string {
  const { labels, annotations } = node.metadata;
  return JSON.stringify([node.spec.podCIDR, internalIP(node), labels, annotations]);
}
