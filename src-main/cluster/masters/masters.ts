import { ListenError } from '#apiserver/http/listen';
import type { KubeletLocator } from '#apiserver/kubelet-connection';
import type { ApiHandler } from '#apiserver/request';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { present } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import { ClusterError } from '../errors.ts';
import type { ClusterPki } from '../pki.ts';
import type { LabStore } from '../stores/lab-store.ts';
import { Balancer } from './balancer.ts';
import { MasterConnection } from './master-connection.ts';
import { Master } from './master.ts';
import { ReadinessProbes } from './readiness-probes.ts';

export interface MastersOptions {
  readonly lab: string;
  readonly store: LabStore;
  /** The one address of all, on 127.0.0.1. */
  readonly apiPort: number;
  /** Of each API server, where there are several; one alone has `apiPort` itself. */
  readonly masterPorts: readonly number[];
  readonly pki: ClusterPki;
  readonly kubelets: KubeletLocator;
  readonly balancerPool: () => { readonly first: string; readonly last: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * The masters of one lab over one store, and the address they share. One alone listens there itself, so that nothing stands
 * between it and its clients; several have ports of their own behind a {@link Balancer}. The store is the lab's: it lives
 * on when masters die.
 */
export class Masters {
  readonly list: readonly Master[];
  readonly #options: MastersOptions;
  readonly #balancer: Balancer | undefined;
  readonly #probes: ReadinessProbes;
  #turn = 0;

  constructor(options: MastersOptions) {
    const { store, apiPort, masterPorts, clock } = options;
    this.#options = options;
    const ports = masterPorts.length > 1 ? masterPorts : [apiPort];
    const { pki, kubelets, balancerPool, random, logger } = options;
    this.list = ports.map(
      (port, i) =>
        new Master({
          ...{ name: masterName(i), etcd: store.client, port, isPortFixed: ports.length === 1 },
          ...{ pki, kubelets, balancerPool, clock, random },
          logger: ports.length > 1 ? logger.named(masterName(i)) : logger,
        }),
    );
    this.#probes = new ReadinessProbes(this.list, clock);
    this.#balancer = ports.length > 1 ? new Balancer(() => this.living) : undefined;
  }

  /** Those that answer; when none says that it is ready, those that answer at all. */
  get living(): readonly Master[] {
    const serving = this.list.filter((master) => master.serves);
    const ready = serving.filter((master) => this.#probes.isReady(master));
    return ready.length > 0 ? ready : serving;
  }

  /** A way to the API servers for one client of this process; it outlives any of them. */
  connect(): ApiHandler {
    return new MasterConnection(() => {
      const { living } = this;
      return living[this.#turn++ % Math.max(1, living.length)];
    });
  }

  /** Throws ClusterError MASTER_MISSING. */
  require(name: string): Master {
    const master = this.list.find((one) => one.name === name);
    if (master) return master;
    const known = this.list.map((one) => one.name).join(', ');
    throw new ClusterError('MASTER_MISSING', `there is no master ${name} in lab ${this.#options.lab}; it has ${known}`);
  }

  /** The API servers: what everything else needs. The store runs. Throws ClusterError PORT_TAKEN. */
  async startApi(context: Context): Promise<void> {
    const { apiPort } = this.#options;
    const [first, ...others] = this.list;
    try {
      // The first makes the objects every cluster begins with; the others find them.
      await first?.startApi(context);
      await Promise.all(others.map((master) => master.startApi(context)));
      await this.#balancer?.listen('127.0.0.1', apiPort);
      if (this.#balancer) this.#probes.start();
    } catch (error) {
      if (!(error instanceof ListenError) || error.code !== 'PORT_TAKEN') throw error;
      const text = `port ${apiPort} on 127.0.0.1 is taken; choose another with --api-port`;
      throw new ClusterError('PORT_TAKEN', text, { cause: error });
    }
  }

  async startControllers(context: Context): Promise<void> {
    for (const master of this.list) await master.startControllers(context);
  }

  /** The shared address on one more address of this computer, for the nodes that are not in this process. */
  async listenAlso(host: string): Promise<void> {
    const { apiPort } = this.#options;
    if (this.#balancer) return this.#balancer.listen(host, apiPort);
    await present(this.list[0], 'a lab has a master').apiServer.listenAlso(host, apiPort);
  }

  /** Pulls the plug of one. Idempotent. */
  kill(name: string): void {
    this.require(name).crash();
  }

  /** Resolves when it serves again; what it missed is in the store. Idempotent. */
  async start(context: Context, name: string): Promise<void> {
    await this.require(name).start(context);
  }

  async stop(): Promise<void> {
    this.#probes.stop();
    this.#balancer?.close();
    await Promise.all(this.list.map((master) => master.stop()));
  }

  crash(): void {
    this.#probes.stop();
    this.#balancer?.close();
    for (const master of this.list) master.crash();
  }
}

/** As `drydock master` calls them: `master-1`, `master-2`… */
export function masterName(index: number): string {
  return `master-${index + 1}`;
}
