import { join } from 'node:path';
import type { Node } from '#api/gen/types';
import { isStatus, StatusError } from '#api/machinery/status';
import type { KubeletConnection } from '#apiserver/kubelet-connection';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import { nodes } from '#client/resources';
import { SharedInformerFactory } from '#client/informer';
import { RestClient } from '#client/rest-client';
import type { Transport } from '#client/transport';
import type { EtcdClient } from '#etcd/client';
import { Fabric } from '#machines/embedded/fabric';
import { installAddons } from './addons.ts';
import { ControlPlane } from './control-plane.ts';
import { HostAccess } from './host-access.ts';
import { EmbeddedWorker } from './workers/embedded-worker.ts';
import type { Worker } from './workers/worker.ts';
import { ClusterError } from './errors.ts';
import { identities, kubernetesVersion } from './identities.ts';
import { InProcessTransport } from './in-process-transport.ts';
import { withWorker, type LabConfig, type WorkerConfig } from './lab-config.ts';
import { labKubeconfigPath } from './lab-kubeconfig.ts';
import type { EtcdAccess, LabTruth, NewWorker, RunningLab } from './lab-view.ts';
import { waitForNodesReady } from './node-readiness.ts';
import type { ClusterPki } from './pki.ts';
import { TruthTeller } from './truths.ts';

export const masterName = 'master-1';
const masterIp = '172.30.0.2';
const nodeReadyTimeoutMs = 60_000;

export interface LabOptions {
  readonly config: LabConfig;
  readonly folder: string;
  readonly pki: ClusterPki;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The set of workers changed: to be kept. */
  readonly onConfig: (config: LabConfig) => void;
}

/** A cluster whose master is in this process: its control plane, its workers of every driver, the ways in from outside. */
export class Lab implements RunningLab {
  readonly controlPlane: ControlPlane;
  readonly fabric: Fabric;
  readonly admin: Transport;
  readonly #options: LabOptions;
  readonly #workers = new Map<string, Worker>();
  readonly #hostAccess: HostAccess;
  readonly #truths: TruthTeller;
  #config: LabConfig;

  constructor(options: LabOptions) {
    const { config, pki, clock, random, logger, folder } = options;
    this.#options = options;
    this.#config = config;
    this.#truths = new TruthTeller(() => clock.now());
    this.fabric = new Fabric({ clock, random });
    this.fabric.addNode(masterName, masterIp);
    this.controlPlane = new ControlPlane({
      ...{ master: masterName, masterIp, folder, pki, clock, random, logger },
      ...{ apiPort: config.apiPort, etcdPort: config.etcdPort },
      kubelets: (context, nodeName) => this.#kubeletOf(context, nodeName),
    });
    const userAgent = `drydock/${kubernetesVersion}`;
    this.admin = new InProcessTransport({ handler: this.controlPlane.handler, user: identities.admin, userAgent });
    this.#hostAccess = new HostAccess({
      informers: new SharedInformerFactory({ client: new RestClient(this.admin), clock, random, logger }),
      workers: () => this.workers,
      logger: logger.named('host-access'),
    });
    for (const worker of config.workers) this.#workers.set(worker.name, this.#createWorker(worker));
  }

  get config(): LabConfig {
    return this.#config;
  }
  get server(): string {
    return `https://127.0.0.1:${this.controlPlane.apiServer.port}`;
  }
  get kubeconfigPath(): string {
    return labKubeconfigPath(this.#options.folder);
  }
  get etcd(): EtcdClient {
    return this.controlPlane.etcd.client;
  }
  get etcdAccess(): EtcdAccess {
    const file = (name: string): string => join(this.#options.pki.folder, name);
    return {
      endpoint: this.controlPlane.etcd.endpoint,
      ca: file('etcd-ca.crt'),
      cert: file('etcd-client.crt'),
      key: file('etcd-client.key'),
    };
  }
  get workers(): readonly Worker[] {
    return [...this.#workers.values()];
  }

  worker(name: string): Worker {
    const worker = this.#workers.get(name);
    if (worker) return worker;
    throw new ClusterError(
      'NODE_MISSING',
      `there is no node ${name} in lab ${this.#config.name}; it has ${[...this.#workers.keys()].join(', ') || 'none'}`,
    );
  }

  /** Workers join side by side; resolves when all of them are Ready. */
  async startWorkers(context: Context): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.start(context, () => {})));
    await this.waitReady(context, [...this.#workers.keys()]);
  }

  /** Node ports and load balancers answer on 127.0.0.1 from now on. */
  openHostAccess(): void {
    this.#hostAccess.start(Context.background());
  }

  installAddons(context: Context): Promise<void> {
    return installAddons(context, this.admin);
  }

  async waitReady(context: Context, names: readonly string[]): Promise<void> {
    const limit = context.withTimeout(this.#options.clock, nodeReadyTimeoutMs);
    try {
      await waitForNodesReady(limit.context, new RestClient(this.admin).resource<Node>(nodes), names);
    } catch (error) {
      if (!(error instanceof CancelledError) || context.ended) throw error;
      throw new ClusterError(
        'TIMEOUT',
        `${names.join(', ')} did not become Ready within ${nodeReadyTimeoutMs / 1000} s; see 'drydock status'`,
        { cause: error },
      );
    } finally {
      limit.cancel();
    }
  }

  async addWorker(context: Context, wanted: NewWorker): Promise<string> {
    const { config, worker } = withWorker(this.#config, wanted.name);
    const added = this.#createWorker(worker);
    this.#workers.set(worker.name, added);
    this.#keep(config);
    await added.start(context, () => {});
    await this.waitReady(context, [worker.name]);
    return worker.name;
  }

  killWorker(context: Context, name: string): Promise<void> {
    return this.worker(name).kill(context);
  }

  async startWorker(context: Context, name: string): Promise<void> {
    const worker = this.worker(name);
    await worker.start(context, () => {});
    await this.waitReady(context, [name]);
  }

  async deleteWorker(context: Context, name: string): Promise<void> {
    const worker = this.worker(name);
    await worker.remove(context);
    this.#workers.delete(name);
    this.#keep({ ...this.#config, workers: this.#config.workers.filter((one) => one.name !== name) });
    try {
      await new RestClient(this.admin).resource<Node>(nodes).delete(context, '', name);
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }

  truths(): Promise<readonly LabTruth[]> {
    return this.#truths.tell(this.controlPlane, this.workers, masterName, masterIp);
  }

  async stop(): Promise<void> {
    this.#hostAccess.close();
    await Promise.all(this.workers.map((worker) => worker.stop(Context.background())));
    await this.controlPlane.stop();
  }

  /** Everything at once, as when the host's process is killed. */
  crash(): void {
    this.#hostAccess.close();
    for (const worker of this.workers) worker.crash();
    this.controlPlane.crash();
  }

  #createWorker(config: WorkerConfig): Worker {
    const { clock, random, logger } = this.#options;
    const { handler } = this.controlPlane;
    return new EmbeddedWorker({
      config,
      fabric: this.fabric,
      handler,
      clock,
      random,
      logger,
    });
  }

  #keep(config: LabConfig): void {
    this.#config = config;
    this.#options.onConfig(config);
  }

  async #kubeletOf(context: Context, nodeName: string): Promise<KubeletConnection> {
    const worker = this.#workers.get(nodeName);
    if (worker) return worker.kubelet(context);
    throw new StatusError('InternalError', `error dialing backend: dial tcp: lookup ${nodeName}: no such host`);
  }
}
