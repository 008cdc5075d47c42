import { createServer } from 'node:net';
import type { Context } from '#base/context';
import { formatIpv4, parseCidr, type Ipv4Block } from '#base/ip';
import { MachineError } from '../errors.ts';
import type { DockerEngine } from './engine.ts';
import { labLabels, networkName } from './labels.ts';
import { chooseSubnet, hostBlocks, overlaps } from './subnet.ts';

export interface LabNetworkFacts {
  /** The engine's own, new each time the network is made. */
  readonly id: string;
  /** `10.215.0.0/24`. Keep it and name it again, so that the lab has the same addresses next time. */
  readonly subnet: string;
  /** The host's own address on the lab's network. */
  readonly gateway: string;
  /**
   * The gateway is an address of this computer: a server that listens on it is reached by every node. False where the engine
   * runs in a machine of its own (Docker Desktop); nodes then reach this computer's loopback as `host.docker.internal`.
   */
  readonly gatewayIsHost: boolean;
}

/** The bridge network of one lab. */
export class DockerNetwork {
  readonly name: string;
  readonly #engine: DockerEngine;
  readonly #home: string;
  readonly #lab: string;
  readonly #wanted: string | undefined;
  #facts: LabNetworkFacts | undefined;
  #ensuring: Promise<LabNetworkFacts> | undefined;

  constructor(engine: DockerEngine, home: string, lab: string, subnet: string | undefined) {
    this.#engine = engine;
    this.#home = home;
    this.#lab = lab;
    this.#wanted = subnet;
    this.name = networkName(home, lab);
  }

  /** The same for all machines on it, and for no other network of this computer. */
  get networkId(): string {
    return `docker/${this.name}`;
  }

  /** Undefined until `ensure` has resolved. */
  get facts(): LabNetworkFacts | undefined {
    return this.#facts;
  }

  /**
   * Finds or makes the network. A wanted subnet that clashes with another network or a route of this computer is replaced
   * by a free one: look at what is returned.
   */
  async ensure(context: Context): Promise<LabNetworkFacts> {
    this.#ensuring ??= this.#ensure(context).finally(() => {
      this.#ensuring = undefined;
    });
    return this.#ensuring;
  }

  /** Address number `hostNumber` of the subnet: 2 to 254, for 1 is the gateway. */
  addressOf(hostNumber: number): string | undefined {
    const block = parseCidr(this.#facts?.subnet ?? '');
    return block && formatIpv4(block.base + hostNumber);
  }

  async remove(context: Context): Promise<void> {
    const networks = await this.#find(context);
    for (const network of networks) {
      await this.#engine.call(context, `remove the network ${this.name}`, (docker) =>
        docker.getNetwork(network.id).remove(),
      );
    }
    this.#facts = undefined;
  }

  async #ensure(context: Context): Promise<LabNetworkFacts> {
    const [existing] = await this.#find(context);
    const { id, subnet } = existing ?? (await this.#createWhereFree(context));
    const block = parseCidr(subnet ?? '');
    if (!block || subnet === undefined) {
      throw new MachineError('INVALID', `the network ${this.name} has no IPv4 subnet: remove it`);
    }
    const gateway = formatIpv4(block.base + 1);
    this.#facts = { id, subnet, gateway, gatewayIsHost: await isOwnAddress(gateway) };
    return this.#facts;
  }

  async #find(context: Context): Promise<readonly { readonly id: string; readonly subnet: string | undefined }[]> {
    const networks = await this.#engine.call(context, 'list networks', (docker) =>
      docker.listNetworks({ filters: { name: [this.name] } }),
    );
    // The engine's filter finds parts of names too.
    return networks
      .filter((network) => network.Name === this.name)
      .map((network) => ({ id: network.Id, subnet: network.IPAM?.Config?.[0]?.Subnet }));
  }

  /** Another program may take a free subnet between the look and the request. */
  async #createWhereFree(context: Context): Promise<{ readonly id: string; readonly subnet: string }> {
    for (let triesLeft = 10; ; triesLeft--) {
      try {
        return await this.#create(context);
      } catch (error) {
        if (triesLeft === 0 || !(error instanceof MachineError) || error.code !== 'ADDRESS_CLASH') throw error;
      }
    }
  }

  async #create(context: Context): Promise<{ readonly id: string; readonly subnet: string }> {
    const networks = await this.#engine.call(context, 'list networks', (docker) => docker.listNetworks());
    const taken = [
      ...hostBlocks(),
      ...networks.flatMap((network) =>
        (network.IPAM?.Config ?? []).flatMap((config) => parseCidr(config.Subnet ?? '') ?? []),
      ),
    ];
    const subnet = this.#usable(taken) ?? chooseSubnet(taken);
    const block = parseCidr(subnet);
    if (!block) throw new MachineError('INVALID', `${subnet} is no IPv4 subnet`);
    const network = await this.#engine.call(context, `create the network ${this.name} with ${subnet}`, (docker) =>
      docker.createNetwork({
        Name: this.name,
        Driver: 'bridge',
        CheckDuplicate: true,
        Labels: { ...labLabels(this.#home, this.#lab) },
        IPAM: { Config: [{ Subnet: subnet, Gateway: formatIpv4(block.base + 1) }] },
      }),
    );
    return { id: network.id, subnet };
  }

  #usable(taken: readonly Ipv4Block[]): string | undefined {
    if (this.#wanted === undefined) return undefined;
    const block = parseCidr(this.#wanted);
    if (!block) throw new MachineError('INVALID', `${this.#wanted} is no IPv4 subnet`);
    return taken.some((other) => overlaps(block, other)) ? undefined : this.#wanted;
  }
}

/** By trying to listen: a bridge without containers has no carrier, and is in no list of interfaces. */
function isOwnAddress(ip: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(0, ip, () => server.close(() => resolve(true)));
  });
}
