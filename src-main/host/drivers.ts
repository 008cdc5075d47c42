import { join } from 'node:path';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { freshSeed, SeededRandom } from '#base/random';
import { ClusterError } from '#cluster/errors';
import type { Home } from '#cluster/home';
import type { LabConfig } from '#cluster/lab-config';
import { MachineError } from '#machines/errors';
import type { RealNodeDrivers } from '#cluster/workers/worker-factory';
import { GuardProcess } from '#machines/guard/fault-guard';
import { guardCommand } from './fault-guard.ts';
import type { DockerDriver } from '#machines/docker/driver';

/** Where the build lies: `main`, `preload`, `renderer` and `agent` are in it. */
export interface Installation {
  readonly outFolder: string;
}

export interface DriversOptions {
  readonly home: Home;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly installation: Installation;
}

/** The drivers of real nodes, one of each for a home. Loaded when first used: simulated labs need none of their code. */
export class Drivers implements RealNodeDrivers {
  readonly agentBundle: string;
  readonly imageCache: string;
  readonly #options: DriversOptions;
  /** One process for all labs of the home, started when it is needed. */
  readonly guard: GuardProcess;
  #docker: Promise<DockerDriver> | undefined;

  constructor(options: DriversOptions) {
    this.#options = options;
    const { home, installation, logger } = options;
    this.imageCache = join(home.path, 'cache/images');
    this.agentBundle = join(installation.outFolder, 'agent/node-agent.cjs');
    this.guard = new GuardProcess({
      command: [process.execPath, join(installation.outFolder, 'main/drydock.cjs'), guardCommand],
      logger: logger.named('guard'),
    });
  }

  /** The first call also removes what labs that are no more have left in Docker. */
  readonly docker = (): Promise<DockerDriver> => (this.#docker ??= this.#openDocker());

  /**
   * Takes away everything a stopped lab has in Docker and on machines reached by SSH. Throws MachineError, unless `force`: what
   * cannot be cleaned is then left as it is.
   */
  async removeLab(config: LabConfig, { force }: { readonly force: boolean }): Promise<void> {
    try {
      await this.#removeLab(config);
    } catch (error) {
      const hint = `'drydock down --delete --force --name ${config.name}' forgets what cannot be cleaned`;
      if (!force)
        throw error instanceof MachineError
          ? new MachineError(error.code, `${error.message}; ${hint}`, { cause: error })
          : error instanceof ClusterError
            ? new ClusterError(error.code, `${error.message}; ${hint}`, { cause: error })
            : error;
      this.#options.logger.warn('not everything of the lab was removed', { lab: config.name, error: messageOf(error) });
    }
  }

  /** Machines and Docker each for itself: one that fails does not keep the other from being cleaned. */
  async #removeLab(config: LabConfig): Promise<void> {
    const results = await Promise.allSettled([
      ...[this.#removeMachines(config), this.#removeContainers(config), this.#removeObjects(config)],
    ]);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #removeMachines(config: LabConfig): Promise<void> {
    const machines = config.workers.filter((worker) => worker.driver === 'ssh');
    if (machines.length === 0) return;
    const { removeSshWorkers } = await import('#cluster/workers/ssh-nodes');
    const { home, clock, logger } = this.#options;
    const random = new SeededRandom(freshSeed());
    const options = { folder: home.labFolder(config.name), agentBundle: this.agentBundle, clock, random, logger };
    await removeSshWorkers(Context.background(), machines, options);
  }

  async #removeContainers(config: LabConfig): Promise<void> {
    const usesDocker = config.docker !== undefined || config.workers.some((worker) => worker.driver === 'docker');
    if (usesDocker) await (await this.docker()).lab(config.name).remove(Context.background());
  }

  /** An etcd that is somebody's is left as it was before the lab. */
  async #removeObjects(config: LabConfig): Promise<void> {
    if (config.store?.kind !== 'external') return;
    const { removeExternalObjects } = await import('#cluster/stores/external-store');
    const { home, logger } = this.#options;
    const folder = home.labFolder(config.name);
    await removeExternalObjects(Context.background(), { config, access: config.store, folder, logger });
  }

  close(): void {
    this.guard.close();
    void this.#docker?.then((driver) => driver.close());
  }

  async #openDocker(): Promise<DockerDriver> {
    const { home, clock, logger } = this.#options;
    const { DockerDriver } = await import('#machines/docker/driver');
    const { agentBundle } = this;
    const driver = new DockerDriver({ home: home.path, clock, logger: logger.named('docker'), agentBundle });
    try {
      await driver.sweep(Context.background(), home.labNames());
    } catch (error) {
      logger.warn('what died labs left in Docker was not removed', { error: messageOf(error) });
    }
    return driver;
  }
}
