import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { KubeClient } from '#client/client';
import type { DockerDriver } from '#machines/docker/driver';
import type { FaultGuard } from '#machines/guard/fault-guard';
import type { Fabric } from '#machines/embedded/fabric';
import type { MachineProgress } from '#machines/machine';
import type { BootstrapToken } from '../bootstrap-token.ts';
import type { DriverName, LabConfig, WorkerConfig } from '../lab-config.ts';
import type { Masters } from '../masters/masters.ts';
import type { ClusterPki } from '../pki.ts';
import { DockerNodes } from './docker-nodes.ts';
import type { SshNodes } from './ssh-nodes.ts';
import { EmbeddedWorker } from './embedded-worker.ts';
import type { Worker } from './worker.ts';

/** What real nodes are made with; a host has it. */
export interface RealNodeDrivers {
  /** Loads the Docker driver; only labs that use it ask. */
  readonly docker: () => Promise<DockerDriver>;
  /** Path of `out/agent/node-agent.cjs`. */
  readonly agentBundle: string;
  /** Folder for image archives that are made here. */
  readonly imageCache: string;
  /** Brings machines back that are broken on purpose when this process dies. */
  readonly guard: FaultGuard;
}

export interface WorkerFactoryOptions {
  readonly lab: LabConfig;
  readonly folder: string;
  readonly pki: ClusterPki;
  readonly fabric: Fabric;
  readonly masters: Masters;
  readonly admin: KubeClient;
  readonly token: BootstrapToken;
  readonly drivers: RealNodeDrivers;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Makes the workers of one running lab, with what the workers of each driver share. */
export class WorkerFactory {
  readonly #options: WorkerFactoryOptions;
  #docker: DockerNodes | undefined;
  #ssh: SshNodes | undefined;

  constructor(options: WorkerFactoryOptions) {
    this.#options = options;
  }

  /** The lab's Docker network, once it is open. */
  get dockerSubnet(): string | undefined {
    return this.#docker?.subnet;
  }

  /**
   * What the workers of a driver share and the control plane does not need to run for: image, network. `nodes` are the names
   * of all the driver's workers. Idempotent.
   */
  async prepare(
    context: Context,
    driver: DriverName,
    nodes: readonly string[],
    onProgress: (progress: MachineProgress) => void,
  ): Promise<void> {
    if (driver === 'ssh') this.#ssh ??= await this.#createSsh();
    if (driver !== 'docker') return;
    this.#docker ??= this.#createDocker(await this.#options.drivers.docker());
    await this.#docker.prepare(context, onProgress);
    await this.#docker.open(context, nodes);
  }

  /** Makes the API server reachable for the workers of the drivers that were prepared. */
  async connect(): Promise<void> {
    await this.#docker?.listen();
  }

  /** Throws Error for a driver that was not prepared. */
  create(config: WorkerConfig): Worker {
    if (config.driver === 'docker' && this.#docker) return this.#docker.worker(config);
    if (config.driver === 'ssh' && config.ssh && this.#ssh) return this.#ssh.worker(config, config.ssh);
    const { fabric, clock, random, logger, masters } = this.#options;
    return new EmbeddedWorker({ config, fabric, handler: masters.connect(), clock, random, logger });
  }

  /** ssh2 is loaded only where a machine is reached by SSH. */
  async #createSsh(): Promise<SshNodes> {
    const { lab, folder, pki, drivers, clock, random, logger, token, admin } = this.#options;
    const { SshNodes } = await import('./ssh-nodes.ts');
    return new SshNodes({
      ...{ folder, pki, agentBundle: drivers.agentBundle, clock, random, logger },
      apiPort: lab.apiPort,
      bootstrapToken: (context) => token.offer(context, admin),
    });
  }

  #createDocker(driver: DockerDriver): DockerNodes {
    const { lab, pki, clock, masters, token, admin } = this.#options;
    return new DockerNodes({
      ...{ driver, lab, pki, clock },
      apiPort: lab.apiPort,
      listenAlso: (host) => masters.listenAlso(host),
      bootstrapToken: (context) => token.offer(context, admin),
    });
  }
}
