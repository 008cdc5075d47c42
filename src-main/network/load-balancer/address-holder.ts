import type { EndpointSlice, Node, Service } from '#api/gen/types';
import type { Context } from '#base/context';
import { jsonEqual } from '#base/freeze';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Informer, InformerFactory } from '#client/client';
import { endpointSlices, nodes, services } from '#client/resources';
import { runJson, type Kernel } from '../kernel.ts';
import { mainLink } from '../link.ts';
import { internalIP, isReady, type NodeKeys } from '../node-facts.ts';
import { addressHolders } from './holders.ts';

const bySlice = 'service';
/** Ends the label of every address of ours: by it they are known again after a restart. */
const labelEnd = ':lb';

export interface AddressHolderOptions {
  readonly nodeName: string;
  readonly kernel: Kernel;
  readonly informers: InformerFactory;
  readonly keys: NodeKeys;
  readonly logger: Logger;
  /** Something that decides about holders is another now: `sync` is wanted. */
  readonly onChange: () => void;
}

/**
 * Holds the load-balancer addresses that fall to this node, as /32 on its main device: hosts of the link find it by ARP, and kube-proxy
 * does the rest. An address that comes here is announced, so that nobody goes on sending to where it was.
 */
export class AddressHolder {
  readonly #options: AddressHolderOptions;
  readonly #services: Informer<Service>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #nodes: Informer<Node>;

  constructor(options: AddressHolderOptions) {
    this.#options = options;
    const { informers, onChange } = options;
    this.#services = informers.informer<Service>(services);
    this.#slices = informers.informer<EndpointSlice>(endpointSlices);
    this.#nodes = informers.informer<Node>(nodes);
    this.#slices.addIndex(bySlice, (slice) => [serviceKeyOf(slice)]);
    this.#services.addHandler({ onAdd: onChange, onUpdate: onChange, onDelete: onChange });
    this.#slices.addHandler({ onAdd: onChange, onUpdate: onChange, onDelete: onChange });
    this.#nodes.addHandler({
      ...{ onAdd: onChange, onDelete: onChange },
      onUpdate: (before, after) => void (jsonEqual(holderFacts(before), holderFacts(after)) || onChange()),
    });
  }

  async sync(context: Context): Promise<void> {
    const { nodeName, keys, kernel } = this.#options;
    await Promise.all([this.#services, this.#slices, this.#nodes].map((one) => one.waitForSync(context)));
    const holders = addressHolders({
      services: this.#services.lister.list(),
      nodes: this.#nodes.lister.list(),
      slicesOf: ({ metadata: { namespace = '', name = '' } }) =>
        this.#slices.lister.byIndex(bySlice, `${namespace}/${name}`),
      keys,
    });
    const wanted = new Set([...holders].filter(([, holder]) => holder === nodeName).map(([ip]) => ip));
    const held = await heldAddresses(kernel, context);
    for (const { ip, device } of held)
      if (!wanted.has(ip)) await kernel.run(context, ['ip', 'addr', 'del', `${ip}/32`, 'dev', device]);
    const missing = [...wanted].filter((ip) => !held.some((one) => one.ip === ip));
    if (missing.length > 0) await this.#take(context, missing);
  }

  async #take(context: Context, addresses: readonly string[]): Promise<void> {
    const { nodeName, kernel, logger } = this.#options;
    const node = this.#nodes.lister.get(nodeName);
    const link = await mainLink(kernel, context, (node && internalIP(node)) ?? '');
    if (!link) throw new Error('the node has no device that others reach it by');
    for (const ip of addresses) {
      const label = `${link.name.slice(0, 15 - labelEnd.length)}${labelEnd}`;
      await kernel.run(context, ['ip', 'addr', 'add', `${ip}/32`, 'dev', link.name, 'label', label]);
      logger.info('this node answers for a load-balancer address', { ip, device: link.name });
      await this.#announce(context, ip, link.name);
    }
  }

  /** Gratuitous ARP in both forms, as some systems heed only one. Without it neighbours find out when their cache ages. */
  async #announce(context: Context, ip: string, device: string): Promise<void> {
    const { kernel, logger } = this.#options;
    for (const form of ['-U', '-A']) {
      try {
        await kernel.run(context, ['arping', form, '-c', '1', '-I', device, ip]);
      } catch (error) {
        context.check();
        logger.warn('neighbours were not told of an address that moved here', { ip, error: messageOf(error) });
      }
    }
  }
}

interface Held {
  readonly ip: string;
  readonly device: string;
}

async function heldAddresses(kernel: Kernel, context: Context): Promise<readonly Held[]> {
  const shown = await runJson(kernel, context, ['ip', '-json', '-4', 'addr', 'show']);
  return (shown as readonly { ifname?: string; addr_info?: readonly { local?: string; label?: string }[] }[]).flatMap(
    ({ ifname: device = '', addr_info = [] }) =>
      addr_info.filter((one) => one.label?.endsWith(labelEnd)).map(({ local: ip = '' }) => ({ ip, device })),
  );
}

/** Gives back every address of ours. */
export async function removeAddresses(kernel: Kernel, context: Context): Promise<void> {
  for (const { ip, device } of await heldAddresses(kernel, context))
    await kernel.run(context, ['ip', 'addr', 'del', `${ip}/32`, 'dev', device]);
}

function serviceKeyOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace ?? ''}/${metadata.labels?.['kubernetes.io/service-name'] ?? ''}`;
}

function holderFacts(node: Node): unknown {
  return [isReady(node), internalIP(node) ?? '', node.metadata.labels ?? {}, node.metadata.annotations ?? {}];
}
