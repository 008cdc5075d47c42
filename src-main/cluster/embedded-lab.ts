import { join } from 'node:path';
import type { Node } from '#api/gen/types';
import { isStatus, StatusError } from '#api/machinery/status';
import type { KubeletConnection } from '#apiserver/kubelet-connection';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import { nodes } from '#client/resources';
import { RestClient } from '#client/rest-client';
import type { Transport } from '#client/transport';
import type { EtcdClient } from '#etcd/client';
import { Fabric } from '#machines/embedded/fabric';
import { HostPorts } from '#machines/embedded/host-ports';
import { installAddons } from './addons.ts';
import { ControlPlane } from './control-plane.ts';
import { EmbeddedWorker } from './embedded-worker.ts';
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

export interface EmbeddedLabOptions {
  readonly config: LabConfig;
  readonly folder: string;
  readonly pki: ClusterPki;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The set of workers changed: to be kept. */
  readonly onConfig: (config: LabConfig) => void;
}

/** A whole cluster in this process: one master, simulated workers, the network between them. */
export class EmbeddedLab implements RunningLab {
  readonly controlPlane: ControlPlane;
  readonly fabric: Fabric;
  readonly admin: Transport;
  readonly #options: EmbeddedLabOptions;
  readonly #workers = new Map<string, EmbeddedWorker>();
  readonly #hostPorts: HostPorts;
  readonly #truths: TruthTeller;
  #config: LabConfig;

  constructor(options: EmbeddedLabOptions) {
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
    this.#hostPorts = new HostPorts({
      logger: logger.named('node-ports'),
      dial: (context, port) => this.#dialNodePort(context, port),
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
  get workers(): readonly EmbeddedWorker[] {
    return [...this.#workers.values()];
  }

  worker(name: string): EmbeddedWorker {
    const worker = this.#workers.get(name);
    if (worker) return worker;
    throw new ClusterError(
      'NODE_MISSING',
      `there is no node ${name} in lab ${this.#config.name}; it has ${[...this.#workers.keys()].join(', ') || 'none'}`,
    );
  }

  /** Workers join side by side; resolves when all of them are Ready. */
  async startWorkers(context: Context): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.start(context)));
    await this.waitReady(context, [...this.#workers.keys()]);
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
    await added.start(context);
    await this.waitReady(context, [worker.name]);
    return worker.name;
  }

  async killWorker(_context: Context, name: string): Promise<void> {
    this.worker(name).kill();
  }

  async startWorker(context: Context, name: string): Promise<void> {
    const worker = this.worker(name);
    if (worker.machine.state === 'running') return;
    await worker.start(context);
    await this.waitReady(context, [name]);
  }

  async deleteWorker(context: Context, name: string): Promise<void> {
    const worker = this.worker(name);
    await worker.stop();
    worker.machine.remove();
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
    this.#hostPorts.close();
    await Promise.all(this.workers.map((worker) => worker.stop()));
    await this.controlPlane.stop();
  }

  /** Everything at once, as when the host's process is killed. */
  crash(): void {
    this.#hostPorts.close();
    for (const worker of this.workers) worker.kill();
    this.controlPlane.crash();
  }

  #createWorker(config: WorkerConfig): EmbeddedWorker {
    const { clock, random, logger } = this.#options;
    const { handler } = this.controlPlane;
    return new EmbeddedWorker({
      config,
      fabric: this.fabric,
      handler,
      clock,
      random,
      logger,
      onRules: () => this.#syncHostPorts(),
    });
  }

  #keep(config: LabConfig): void {
    this.#config = config;
    this.#options.onConfig(config);
  }

  #syncHostPorts(): void {
    const ports = this.fabric.nodes.flatMap((node) =>
      node.up ? node.services.rules.flatMap((rule) => (rule.protocol === 'TCP' ? (rule.nodePort ?? []) : [])) : [],
    );
    this.#hostPorts.sync(new Set(ports));
  }

  /** A connection to a node port enters at a node that is up and knows the port, as through a load balancer before them. */
  async #dialNodePort(context: Context, port: number): ReturnType<Fabric['dial']> {
    const [entry] = this.fabric.nodes.filter(
      (node) => node.up && node.services.rules.some((rule) => rule.nodePort === port && rule.external.length > 0),
    );
    const master = this.fabric.node(masterName);
    if (!entry || !master) throw new ClusterError('NODE_MISSING', `no node that is up answers on port ${port}`);
    return this.fabric.dial(context, master.host, { ip: entry.host.ip, port });
  }

  async #kubeletOf(_context: Context, nodeName: string): Promise<KubeletConnection> {
    const worker = this.#workers.get(nodeName);
    if (worker?.machine.state === 'running' && worker.kubelet.state === 'running') return worker.connection;
    const address = worker ? `${worker.config.ip}:10250` : nodeName;
    const why = worker?.machine.state === 'running' ? 'connect: connection refused' : 'i/o timeout';
    throw new StatusError('InternalError', `error dialing backend: dial tcp ${address}: ${why}`);
  }
}
