import type { ApiHandler, UserInfo } from '#apiserver/request';
import type { KubeletConnection } from '#apiserver/kubelet-connection';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import { CancelledError } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { ByteStream, SocketAddress } from '#base/streams';
import { StatusError } from '#api/machinery/status';
import { SharedInformerFactory } from '#client/informer';
import type { InformerFactory, KubeClient } from '#client/client';
import { ApiEventRecorder } from '#client/recorder';
import { RestClient } from '#client/rest-client';
import type { Program } from '#cri/simulator/process';
import { SimulatedRuntime } from '#cri/simulator/runtime';
import { KubeProxy } from '#kube-proxy/kube-proxy';
import { Kubelet } from '#kubelet/kubelet';
import { driverLabel } from '#node-agent/agent-config';
import { EmbeddedMachine } from '#machines/embedded/machine';
import type { Fabric } from '#machines/embedded/fabric';
import type { LinkFaults } from '#machines/embedded/link-faults';
import { apiAddress, dnsServiceIp } from '../addresses.ts';
import { ApiLink } from './api-link.ts';
import { clusterDomain, corednsProgram } from './coredns-program.ts';
import { identities, kubernetesVersion } from '../identities.ts';
import { InProcessTransport } from '../in-process-transport.ts';
import type { WorkerConfig } from '../lab-config.ts';
import { RuntimeDoor } from './runtime-door.ts';
import { SimulatedHostStats } from './simulated-host-stats.ts';
import type { Worker, WorkerComponent } from './worker.ts';

export interface EmbeddedWorkerOptions {
  readonly config: WorkerConfig;
  readonly fabric: Fabric;
  readonly handler: ApiHandler;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** How long the API server tries to reach a kubelet, in milliseconds (the dialer's default of release 1.36). */
const dialTimeoutMs = 30_000;

const osImage = 'Drydock Simulator';
const kernelVersion = '6.12.0-drydock';

/** A simulated worker node: a machine with a container runtime, a kubelet and a kube-proxy on it. */
export class EmbeddedWorker implements Worker {
  readonly config: WorkerConfig;
  readonly machine: EmbeddedMachine;
  readonly runtime: SimulatedRuntime;
  readonly kubeletComponent: Kubelet;
  readonly proxy: KubeProxy;
  readonly stats: SimulatedHostStats;
  /** Between kubelet and runtime. */
  readonly runtimeDoor: RuntimeDoor;
  readonly #options: EmbeddedWorkerOptions;
  readonly #powerOffs = new Set<(why: string) => void>();

  constructor(options: EmbeddedWorkerOptions) {
    const { config, fabric, random } = options;
    this.#options = options;
    this.config = config;
    const { name, ip, cpus, memoryBytes } = config;
    this.machine = new EmbeddedMachine({ name, ip, cpus, memoryBytes, fabric, clock: options.clock });
    const { clock } = this.machine;
    const logger = options.logger.named(name);
    this.runtime = new SimulatedRuntime({
      ...{
        clock,
        random,
        logger: logger.named('runtime'),
        network: this.machine.network,
        kernelVersion,
        cpus,
        memoryBytes,
      },
      programs: new Map<string, Program>([
        ['coredns', corednsProgram(clock, () => this.#informers(identities.coredns, 'coredns'))],
      ]),
    });
    this.stats = new SimulatedHostStats({ clock, files: this.runtime.files, cpus, memoryBytes });
    this.runtimeDoor = new RuntimeDoor(this.runtime);
    this.kubeletComponent = this.#createKubelet(logger.named('kubelet'));
    this.proxy = new KubeProxy({
      ...{ nodeName: name, clock, logger: logger.named('kube-proxy') },
      informers: () => this.#informers(identities.kubeProxy, 'kube-proxy'),
      // Simulated nodes reach each other only: no real packet ever enters the fabric.
      reachable: ({ metadata }) => (metadata.labels?.[driverLabel] ?? 'embedded') === 'embedded',
      backend: {
        replace: (rules) => {
          this.machine.network.services.replace(rules);
        },
      },
    });
  }

  get state(): EmbeddedMachine['state'] {
    return this.machine.state;
  }
  get sinceMs(): number {
    return this.machine.sinceMs;
  }
  get address(): string {
    return this.config.ip;
  }

  /** The name of the node whose address the API server has. */
  get master(): string {
    return this.#options.fabric.nodeByIp(apiAddress.ip)?.name ?? '';
  }
  get links(): LinkFaults {
    return this.#options.fabric.links;
  }

  async components(): Promise<readonly WorkerComponent[]> {
    const services = new Set(this.machine.network.services.rules.map((rule) => rule.service)).size;
    return [
      { name: this.kubeletComponent.name, kind: 'kubelet', state: this.kubeletComponent.state, metrics: {} },
      { name: this.proxy.name, kind: 'kube-proxy', state: this.proxy.state, metrics: { services } },
    ];
  }

  async prepare(): Promise<void> {}

  /** Resolves when kubelet and kube-proxy serve. */
  async start(context: Context): Promise<void> {
    if (this.machine.state === 'paused') this.machine.unpause();
    if (this.machine.state === 'running') return;
    this.machine.powerOn();
    await Promise.all([this.kubeletComponent.start(context), this.proxy.start(context)]);
  }

  /** Containers are gone; images and volumes on the disk stay. */
  async kill(): Promise<void> {
    this.crash();
  }

  async pause(): Promise<void> {
    this.machine.pause();
  }

  async unpause(): Promise<void> {
    this.machine.unpause();
  }

  /** Called once, with why, when the machine loses what its programs were doing. */
  onPowerOff(listener: (why: string) => void): Disposable {
    this.#powerOffs.add(listener);
    return disposable(() => this.#powerOffs.delete(listener));
  }

  async remove(): Promise<void> {
    await this.stop();
    this.machine.remove();
  }

  async kubelet(context: Context): Promise<KubeletConnection> {
    await this.#reachable(context);
    const { state } = this.machine;
    if (state === 'running' && this.kubeletComponent.state === 'running') return this.kubeletComponent.server;
    const why = state === 'running' ? 'connect: connection refused' : 'i/o timeout';
    throw new StatusError('InternalError', `error dialing backend: dial tcp ${this.config.ip}:10250: ${why}`);
  }

  dial(context: Context, address: SocketAddress): Promise<ByteStream> {
    return this.#options.fabric.dial(context, this.machine.network.host, address);
  }

  crash(): void {
    this.#loseFaults('lost power');
    this.kubeletComponent.crash();
    this.proxy.crash();
    this.runtime.reset();
    this.machine.kill();
  }

  async stop(): Promise<void> {
    this.#loseFaults('was stopped');
    this.machine.unpause();
    await Promise.all([this.kubeletComponent.stop(), this.proxy.stop()]);
    this.runtime.reset();
    this.machine.shutDown();
  }

  #loseFaults(why: string): void {
    const listeners = [...this.#powerOffs];
    this.#powerOffs.clear();
    for (const listener of listeners) listener(`${this.config.name} ${why}`);
  }

  /** The API server dials kubelets through the same network. Throws StatusError with its text. */
  async #reachable(context: Context): Promise<void> {
    const { fabric, clock, config } = this.#options;
    const { master } = this;
    if (!fabric.links.isCut(master, config.name)) return;
    const limit = context.withTimeout(clock, dialTimeoutMs);
    try {
      await fabric.links.untilPassable(limit.context, master, config.name);
    } catch (error) {
      if (context.ended || !(error instanceof CancelledError)) throw error;
      const text = `error dialing backend: dial tcp ${config.ip}:10250: i/o timeout`;
      throw new StatusError('InternalError', text, undefined, { cause: error });
    } finally {
      limit.cancel();
    }
  }

  #createKubelet(logger: Logger): Kubelet {
    const { random, config } = this.#options;
    const { clock } = this.machine;
    const { name, ip, cpus, memoryBytes, maxPods } = config;
    const client = this.#client(identities.kubelet(name), 'kubelet');
    return new Kubelet({
      ...{ nodeName: name, client, clock, random, logger },
      informers: () => this.#informers(identities.kubelet(name), 'kubelet'),
      recorder: (life) =>
        new ApiEventRecorder({ client, clock, random, logger, component: 'kubelet', host: name, life }),
      runtime: this.runtimeDoor.runtime,
      stats: this.stats,
      files: this.runtime.files,
      network: this.machine.network.host,
      machine: {
        cpus,
        memoryBytes,
        ...(maxPods === undefined ? {} : { maxPods }),
        internalIP: ip,
        osImage,
        kernelVersion,
        containerRuntimeVersion: `simulator://${kubernetesVersion.slice(1)}`,
      },
      labels: { [driverLabel]: 'embedded' },
      ...{ clusterDNS: [dnsServiceIp], clusterDomain, kubeletVersion: kubernetesVersion },
    });
  }

  #client(user: UserInfo, program: string): KubeClient {
    const userAgent = `${program}/${kubernetesVersion} (linux/amd64) drydock`;
    const { handler, fabric, config } = this.#options;
    const transport = new InProcessTransport({ handler, user, userAgent });
    const link = { links: fabric.links, clock: this.machine.clock, node: config.name, master: this.master };
    return new RestClient(new ApiLink({ transport, ...link }));
  }

  #informers(user: UserInfo, program: string): InformerFactory {
    const { random, logger } = this.#options;
    const { clock } = this.machine;
    return new SharedInformerFactory({ client: this.#client(user, program), clock, random, logger });
  }
}
