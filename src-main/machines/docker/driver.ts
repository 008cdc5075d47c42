import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { ImageArchive } from '../load-image.ts';
import type { MachineProgress, MachineResources } from '../machine.ts';
import { MachineError } from '../errors.ts';
import { availableCapabilities } from './capabilities.ts';
import { DockerEngine, type EngineReport } from './engine.ts';
import { watchContainers } from './events.ts';
import { DockerMachine, type MachineHost } from './machine.ts';
import { DockerNetwork } from './network.ts';
import { securityOptions } from './node-container.ts';
import { NodeImage } from './node-image.ts';
import { dockerLabels } from './labels.ts';
import { savedImage } from './saved-image.ts';
import { removeLabeled } from './sweep.ts';

export interface DockerDriverOptions {
  /** Folder of the home: labs of other homes are never touched. */
  readonly home: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Path of `out/agent/node-agent.cjs`. */
  readonly agentBundle: string;
  /** A tar of a root file system to make nodes of, instead of Debian's packages. */
  readonly rootFs?: string;
  /** `unix` path or `tcp://` address of the engine; found by itself when absent. */
  readonly endpoint?: string;
}

/** Workers as containers of one Docker Engine. Nothing is asked of the engine before the first call. */
export class DockerDriver {
  readonly #options: DockerDriverOptions;
  readonly #engine: DockerEngine;
  readonly #image: NodeImage;
  readonly #labs = new Map<string, DockerLab>();
  readonly #life = Context.background().withCancel();
  #capabilities: Promise<readonly string[]> | undefined;
  #watching = false;

  constructor(options: DockerDriverOptions) {
    this.#options = options;
    this.#engine = new DockerEngine(options.endpoint);
    this.#image = new NodeImage({ engine: this.#engine, ...options });
  }

  /** Says what engine there is, or throws the MachineError that says what to do about it. */
  check(context: Context): Promise<EngineReport> {
    return this.#engine.check(context);
  }

  /** Builds the node image unless it is there; resolves with its tag. */
  prepareImage(context: Context, onProgress: (progress: MachineProgress) => void): Promise<string> {
    return this.#image.ensure(context, onProgress);
  }

  /** An image that the engine has, to be put on nodes with `loadImage`. Throws MachineError MISSING when it has not. */
  image(context: Context, name: string): Promise<ImageArchive> {
    return savedImage(context, this.#engine, name);
  }

  /**
   * One lab's network and machines. The same object for the same name. `subnet` is what `network.ensure` returned last
   * time.
   */
  lab(name: string, options: { readonly subnet?: string } = {}): DockerLab {
    let lab = this.#labs.get(name);
    if (!lab) {
      const { home, clock, logger } = this.#options;
      const network = new DockerNetwork(this.#engine, home, name, options.subnet);
      lab = new DockerLab({
        home,
        lab: name,
        engine: this.#engine,
        clock,
        logger,
        network,
        image: (context, onProgress) => {
          this.#watch();
          return this.#image.ensure(context, onProgress);
        },
        capabilities: (context, image) => this.#probe(context, image),
      });
      this.#labs.set(name, lab);
    }
    return lab;
  }

  /** Removes all containers, networks and volumes of this home whose lab is not in `keep`. */
  async sweep(context: Context, keep: readonly string[]): Promise<void> {
    await removeLabeled(context, this.#engine, { home: this.#options.home, lab: (lab) => !keep.includes(lab) });
  }

  /** Lets go of the engine; machines stay as they are. */
  close(): void {
    this.#life.cancel();
    for (const lab of this.#labs.values()) for (const machine of lab.machines) machine.close();
    this.#labs.clear();
  }

  #watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    const { home, clock, logger } = this.#options;
    const machines = (): readonly DockerMachine[] => [...this.#labs.values()].flatMap((lab) => lab.machines);
    watchContainers(this.#life.context, { engine: this.#engine, clock, logger, home, machines }).catch(
      (error: unknown) => {
        if (!this.#life.context.ended) logger.error('the watch of Docker ended', { error: messageOf(error) });
      },
    );
  }

  #probe(context: Context, image: string): Promise<readonly string[]> {
    this.#capabilities ??= probeCapabilities(context, this.#engine, this.#options.home, image).catch(
      (error: unknown) => {
        this.#capabilities = undefined;
        throw error;
      },
    );
    return this.#capabilities;
  }
}

/** The machines of one lab and the network between them. */
export class DockerLab {
  readonly network: DockerNetwork;
  readonly #host: MachineHost;
  readonly #machines = new Map<string, DockerMachine>();

  constructor(host: MachineHost) {
    this.#host = host;
    this.network = host.network;
  }

  get machines(): readonly DockerMachine[] {
    return [...this.#machines.values()];
  }

  /** The same object for the same name. `hostNumber` is its place in the lab's subnet, 2 to 254, and must be kept. */
  machine(name: string, resources: MachineResources, hostNumber: number): DockerMachine {
    let machine = this.#machines.get(name);
    if (!machine) {
      machine = new DockerMachine(this.#host, name, resources, hostNumber);
      this.#machines.set(name, machine);
    }
    return machine;
  }

  /** Removes the lab's containers, volumes and network, also those this process never saw. */
  async remove(context: Context): Promise<void> {
    const { engine, home, lab: name } = this.#host;
    await removeLabeled(context, engine, { home, lab: (lab) => lab === name });
    await this.#forget(context, this.machines);
  }

  /** Removes the lab's containers and volumes of nodes that are not in `keep`. */
  async sweep(context: Context, keep: readonly string[]): Promise<void> {
    const { engine, home, lab: name } = this.#host;
    const node = (other: string): boolean => !keep.includes(other);
    await removeLabeled(context, engine, { home, lab: (lab) => lab === name, node });
    await this.#forget(
      context,
      this.machines.filter((machine) => node(machine.name)),
    );
  }

  async #forget(context: Context, machines: readonly DockerMachine[]): Promise<void> {
    for (const machine of machines) {
      await machine.refresh(context);
      this.#machines.delete(machine.name);
    }
  }
}

/** Starts a container that ends at once, with each set that has to be tried. */
async function probeCapabilities(
  context: Context,
  engine: DockerEngine,
  home: string,
  image: string,
): Promise<readonly string[]> {
  const found = await availableCapabilities(async (capabilities) => {
    const container = await engine.call(context, 'create a container', (docker) =>
      docker.createContainer({
        Image: image,
        Entrypoint: ['/bin/true'],
        Labels: { [dockerLabels.home]: home },
        HostConfig: {
          CapAdd: [...capabilities],
          CapDrop: ['ALL'],
          SecurityOpt: securityOptions,
          NetworkMode: 'none',
        },
      }),
    );
    try {
      await container.start();
      return true;
    } catch {
      // What the host withholds shows in no other way than a failed start.
      return false;
    } finally {
      await engine.call(context, 'remove a container', () => container.remove({ force: true, v: true }));
    }
  });
  if (found) return found;
  throw new MachineError(
    'FORBIDDEN',
    'Docker may not give containers the capabilities that a node needs (NET_ADMIN, SYS_ADMIN): run a Docker Engine that is not itself restricted',
  );
}
