import type { EndpointSlice, Node } from '#api/gen/types';
import { isStatus, StatusError } from '#api/machinery/status';
import type { ApiServerWatch } from '#apiserver/api-server-metrics';
import type { KubeletConnection } from '#apiserver/kubelet-connection';
import { RealClock, type Clock } from '#base/clock';
import { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import { endpointSlices, nodes } from '#client/resources';
import { SharedInformerFactory } from '#client/informer';
import { RestClient } from '#client/rest-client';
import type { Transport } from '#client/transport';
import type { EtcdClient } from '#etcd/client';
import { FaultBook } from '#machines/fault-book';
import { Fabric } from '#machines/embedded/fabric';
import type { MachineProgress } from '#machines/machine';
import { apiAddress, balancerPoolOf } from './addresses.ts';
import { installAddons } from './addons.ts';
import { BootstrapToken } from './bootstrap-token.ts';
import { untilDnsAnswers } from './dns-readiness.ts';
import { FaultInjector } from './faults/fault-injector.ts';
import { HostAccess } from './host-access.ts';
import { masterName, Masters } from './masters/masters.ts';
import { forgetSshSecrets, saveSshSecrets, sshSecretsOf } from './ssh-config.ts';
import { Steps } from './steps.ts';
import { RemoteWorker } from './workers/remote-worker.ts';
import { WorkerFactory, type RealNodeDrivers } from './workers/worker-factory.ts';
import type { Worker } from './workers/worker.ts';
import { ClusterError } from './errors.ts';
import { identities, kubernetesVersion } from './identities.ts';
import { InProcessTransport } from './in-process-transport.ts';
import { withWorker, type DriverName, type LabConfig } from './lab-config.ts';
import { loadLabImage } from './image-loading.ts';
import { labKubeconfigPath } from './lab-kubeconfig.ts';
import type { EtcdAccess, ImageSource, LabEtcdMembers, LabStep, LabTruth, NewWorker, RunningLab } from './lab-view.ts';
import { waitForNodesReady } from './node-readiness.ts';
import type { ClusterPki } from './pki.ts';
import { createStore } from './stores/create-store.ts';
import type { LabStore, StoreMember } from './stores/lab-store.ts';
import { TruthTeller } from './truths.ts';

const nodeReadyTimeoutMs = 60_000;

export interface LabOptions {
  readonly config: LabConfig;
  readonly folder: string;
  readonly pki: ClusterPki;
  readonly drivers: RealNodeDrivers;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The set of workers changed: to be kept. */
  readonly onConfig: (config: LabConfig) => void;
}

/** A cluster whose masters are in this process: its store, its masters, its workers of every driver, the ways in from outside. */
export class Lab implements RunningLab {
  readonly store: LabStore;
  readonly masters: Masters;
  readonly fabric: Fabric;
  readonly admin: Transport;
  readonly faults: FaultBook;
  readonly #options: LabOptions;
  readonly #workers = new Map<string, Worker>();
  readonly #hostAccess: HostAccess;
  readonly #factory: WorkerFactory;
  readonly #truths: TruthTeller;
  #config: LabConfig;

  constructor(options: LabOptions) {
    const { config, pki, clock, random, logger, folder } = options;
    this.#options = options;
    this.#config = config;
    this.#truths = new TruthTeller(() => clock.now());
    this.fabric = new Fabric({ clock, random });
    // All masters have this one address on the lab's network, as they have one address on this computer.
    this.fabric.addNode(masterName(0), apiAddress.ip);
    this.store = createStore({ config, master: masterName(0), folder, pki, clock, random, logger });
    this.masters = new Masters({
      ...{ lab: config.name, store: this.store, pki, clock, random, logger },
      ...{ apiPort: config.apiPort, masterPorts: config.masterPorts ?? [] },
      balancerPool: () => balancerPoolOf(this.#config),
      kubelets: (context, nodeName) => this.#kubeletOf(context, nodeName),
    });
    const userAgent = `drydock/${kubernetesVersion}`;
    this.admin = new InProcessTransport({ handler: this.masters.connect(), user: identities.admin, userAgent });
    this.#hostAccess = new HostAccess({
      informers: new SharedInformerFactory({ client: new RestClient(this.admin), clock, random, logger }),
      workers: () => this.workers,
      logger: logger.named('host-access'),
    });
    const { drivers } = options;
    const admin = new RestClient(this.admin);
    const injector = new FaultInjector({ worker: (name) => this.worker(name), admin, guard: drivers.guard });
    this.faults = new FaultBook({ inject: injector.inject, clock, logger: logger.named('faults') });
    this.#factory = new WorkerFactory({
      ...{ lab: config, folder, pki, drivers, clock, random, logger, fabric: this.fabric },
      ...{ masters: this.masters, admin },
      token: new BootstrapToken(pki.folder, clock),
    });
  }

  get config(): LabConfig {
    return this.#config;
  }
  get server(): string {
    return `https://127.0.0.1:${this.#config.apiPort}`;
  }
  get kubeconfigPath(): string {
    return labKubeconfigPath(this.#options.folder);
  }
  get etcd(): EtcdClient {
    return this.store.client;
  }
  get etcdAccess(): EtcdAccess {
    return this.store.access;
  }
  readonly etcdMembers: LabEtcdMembers = {
    kill: (name) => this.#member(name).crash(),
    start: (context, name) => this.#member(name).start(context),
  };
  get workers(): readonly Worker[] {
    return [...this.#workers.values()];
  }

  #member(name: string): StoreMember {
    const member = this.store.members.find((one) => one.name === name);
    if (member && this.store.kind !== 'embedded') return member;
    const known = this.store.members.map((one) => one.name).join(', ');
    const text =
      this.store.kind === 'embedded'
        ? `lab ${this.#config.name} has the embedded store, which has no members; create one with --etcd local:3`
        : `there is no etcd member ${name} in lab ${this.#config.name}; it has ${known}`;
    throw new ClusterError(this.store.kind === 'embedded' ? 'UNSUPPORTED' : 'MEMBER_MISSING', text);
  }

  worker(name: string): Worker {
    const worker = this.#workers.get(name);
    if (worker) return worker;
    throw new ClusterError(
      'NODE_MISSING',
      `there is no node ${name} in lab ${this.#config.name}; it has ${[...this.#workers.keys()].join(', ') || 'none'}`,
    );
  }

  /** What the workers of the drivers share, and the workers themselves, not yet started. Before the API server. */
  async prepareWorkers(context: Context, onProgress: (progress: MachineProgress) => void): Promise<void> {
    for (const driver of new Set(this.#config.workers.map((one) => one.driver)))
      await this.#prepareDriver(context, driver, onProgress);
    for (const worker of this.#config.workers) this.#workers.set(worker.name, this.#factory.create(worker));
  }

  /** The store, then the API servers. */
  async startApi(context: Context): Promise<void> {
    await this.store.start(context);
    await this.masters.startApi(context);
  }

  /** Makes the API server reachable for workers outside this process. After `startApi`. */
  connectWorkers(): Promise<void> {
    return this.#factory.connect();
  }

  /** Node ports and load balancers answer on 127.0.0.1 from now on. */
  openHostAccess(): void {
    this.#hostAccess.start(Context.background());
  }

  installAddons(context: Context): Promise<void> {
    const drivers = new Set<DriverName>(this.#config.workers.map((one) => one.driver));
    if (drivers.size === 0) drivers.add(this.#config.driver);
    const real = drivers.has('docker') || drivers.has('ssh');
    return installAddons(context, this.admin, { simulated: drivers.has('embedded'), real });
  }

  /** Resolves when the nodes are Ready and cluster DNS answers on each. Throws ClusterError TIMEOUT for nodes, warns of DNS. */
  async waitReady(
    context: Context,
    names: readonly string[],
    onProgress: (progress: MachineProgress) => void = () => {},
  ): Promise<void> {
    await this.#waitNodesReady(context, names);
    onProgress({ text: 'Waiting for cluster DNS' });
    const { clock, logger } = this.#options;
    const slices = new RestClient(this.admin).resource<EndpointSlice>(endpointSlices);
    const workers = names.map((name) => this.worker(name));
    const silent = await untilDnsAnswers(context, workers, { slices, clock });
    if (silent.length === 0) return;
    const hint = "see 'kubectl -n kube-system get pods -l k8s-app=kube-dns'";
    logger.warn(`cluster DNS does not answer on ${silent.join(', ')}: ${hint}`);
  }

  async #waitNodesReady(context: Context, names: readonly string[]): Promise<void> {
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

  async addWorker(
    context: Context,
    wanted: NewWorker,
    onSteps: (steps: readonly LabStep[]) => void = () => {},
  ): Promise<string> {
    const { config, worker } = withWorker(this.#config, wanted);
    const { name } = worker;
    const texts = {
      prepare: `Preparing the ${worker.driver} driver`,
      start: `Starting ${name}`,
      join: `Joining ${name}`,
    };
    const steps = new Steps(
      [texts.prepare, { text: texts.start, node: name }, { text: texts.join, node: name }],
      new RealClock(),
      onSteps,
    );
    await steps.run(texts.prepare, (report) => this.#prepareDriver(context, worker.driver, report));
    await this.#factory.connect();
    if (wanted.ssh) saveSshSecrets(this.#options.folder, name, sshSecretsOf(wanted.ssh));
    this.#keep({ ...config, ...this.#dockerNetwork() });
    await this.installAddons(context);
    const added = this.#factory.create(worker);
    this.#workers.set(name, added);
    await steps.run(texts.start, (report) => powerOn(context, added, report));
    await steps.run(texts.join, (report) => this.waitReady(context, [name], report));
    return name;
  }

  killWorker(context: Context, name: string): Promise<void> {
    return this.worker(name).kill(context);
  }

  async startWorker(context: Context, name: string): Promise<void> {
    const worker = this.worker(name);
    await this.faults.healNode(context, name);
    await powerOn(context, worker, () => {});
    await this.waitReady(context, [name]);
  }

  async deleteWorker(context: Context, name: string): Promise<void> {
    const worker = this.worker(name);
    this.faults.forgetNode(name);
    await worker.remove(context);
    this.#workers.delete(name);
    forgetSshSecrets(this.#options.folder, name);
    this.#keep({ ...this.#config, workers: this.#config.workers.filter((one) => one.name !== name) });
    try {
      await new RestClient(this.admin).resource<Node>(nodes).delete(context, '', name);
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }

  async loadImage(context: Context, source: ImageSource, onSteps: (steps: readonly LabStep[]) => void): Promise<void> {
    const machines = this.workers.flatMap((worker) =>
      worker instanceof RemoteWorker && worker.state === 'running' ? [worker.machine] : [],
    );
    const { drivers } = this.#options;
    await loadLabImage(context, source, { machines, docker: drivers.docker, cacheFolder: drivers.imageCache, onSteps });
  }

  apiWatches(): readonly ApiServerWatch[] {
    return this.masters.list.flatMap(({ apiServer }) =>
      apiServer.state === 'running' ? apiServer.metrics.openWatches : [],
    );
  }

  truths(): Promise<readonly LabTruth[]> {
    return this.#truths.tell(this.masters, this.store, this.workers);
  }

  async stop(): Promise<void> {
    this.#hostAccess.close();
    await this.faults.close(Context.background());
    try {
      await Promise.all(this.workers.map((worker) => worker.stop(Context.background())));
    } finally {
      for (const worker of this.workers) if (worker instanceof RemoteWorker) worker.close();
      await this.masters.stop();
      await this.store.stop();
    }
  }

  /** Everything at once, as when the host's process is killed. */
  crash(): void {
    this.#hostAccess.close();
    for (const worker of this.workers) worker.crash();
    this.masters.crash();
    this.store.crash();
  }

  async #prepareDriver(
    context: Context,
    driver: DriverName,
    onProgress: (progress: MachineProgress) => void,
  ): Promise<void> {
    const nodes = this.#config.workers.filter((one) => one.driver === driver).map((one) => one.name);
    await this.#factory.prepare(context, driver, nodes, onProgress);
    const network = this.#dockerNetwork();
    if (network.docker && network.docker.subnet !== this.#config.docker?.subnet)
      this.#keep({ ...this.#config, ...network });
  }

  #dockerNetwork(): Pick<LabConfig, 'docker'> {
    const subnet = this.#factory.dockerSubnet;
    return subnet === undefined ? {} : { docker: { subnet } };
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

/** Brings in what the machine needs, then starts it. */
export async function powerOn(
  context: Context,
  worker: Worker,
  onProgress: (progress: MachineProgress) => void,
): Promise<void> {
  await worker.prepare(context, onProgress);
  await worker.start(context, onProgress);
}
