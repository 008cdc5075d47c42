import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { ImageArchive } from '../load-image.ts';
import type { MachineProgress, MachineResources } from '../machine.ts';
import { probeCapabilities } from './capability-probe.ts';
import { DockerEngine, type EngineReport } from './engine.ts';
import { watchContainers } from './events.ts';
import { DockerMachine, type MachineHost } from './machine.ts';
import { DockerNetwork } from './network.ts';
import type { HostTraits } from './node-container.ts';
import { NodeImage } from './node-image.ts';
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
  #traits: Promise<HostTraits> | undefined;
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

  /** Whether the first node can start at once. */
  hasImage(context: Context): Promise<boolean> {
    return this.#image.isBuilt(context);
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
        traits: (context, image) => this.#hostTraits(context, image),
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

  /** What this host gives, asked once a life. */
  #hostTraits(context: Context, image: string): Promise<HostTraits> {
    const ask = async (): Promise<HostTraits> => {
      const { cgroupVersion } = await this.#engine.check(context);
      return { cgroupVersion, capabilities: await probeCapabilities(context, this.#engine, this.#options.home, image) };
    };
    this.#traits ??= ask().catch((error: unknown) => {
      this.#traits = undefined;
      throw error;
    });
    return this.#traits;
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
