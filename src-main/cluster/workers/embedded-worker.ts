import type { ApiHandler, UserInfo } from '#apiserver/request';
import type { KubeletConnection } from '#apiserver/kubelet-connection';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
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
import { MachineError } from '#machines/errors';
import { EmbeddedMachine } from '#machines/embedded/machine';
import type { Fabric } from '#machines/embedded/fabric';
import { dnsServiceIp } from '../addresses.ts';
import { clusterDomain, corednsProgram } from './coredns-program.ts';
import { identities, kubernetesVersion } from '../identities.ts';
import { InProcessTransport } from '../in-process-transport.ts';
import type { WorkerConfig } from '../lab-config.ts';
import type { Worker, WorkerComponent } from './worker.ts';

export interface EmbeddedWorkerOptions {
  readonly config: WorkerConfig;
  readonly fabric: Fabric;
  readonly handler: ApiHandler;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const osImage = 'Drydock Simulator';
const kernelVersion = '6.12.0-drydock';

/** A simulated worker node: a machine with a container runtime, a kubelet and a kube-proxy on it. */
export class EmbeddedWorker implements Worker {
  readonly config: WorkerConfig;
  readonly machine: EmbeddedMachine;
  readonly runtime: SimulatedRuntime;
  readonly kubeletComponent: Kubelet;
  readonly proxy: KubeProxy;
  readonly #options: EmbeddedWorkerOptions;

  constructor(options: EmbeddedWorkerOptions) {
    const { config, fabric, clock, random } = options;
    this.#options = options;
    this.config = config;
    const { name, ip, cpus, memoryBytes } = config;
    this.machine = new EmbeddedMachine({ name, ip, cpus, memoryBytes, fabric, clock });
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
    if (this.machine.state === 'running') return;
    this.machine.powerOn();
    await Promise.all([this.kubeletComponent.start(context), this.proxy.start(context)]);
  }

  /** Containers are gone; images and volumes on the disk stay. */
  async kill(): Promise<void> {
    this.crash();
  }

  async pause(): Promise<void> {
    throw new MachineError('UNSUPPORTED', `${this.config.name} is simulated and cannot be frozen`);
  }

  async unpause(): Promise<void> {
    throw new MachineError('UNSUPPORTED', `${this.config.name} is simulated and cannot be frozen`);
  }

  async remove(): Promise<void> {
    await this.stop();
    this.machine.remove();
  }

  async kubelet(): Promise<KubeletConnection> {
    const { state } = this.machine;
    if (state === 'running' && this.kubeletComponent.state === 'running') return this.kubeletComponent.server;
    const why = state === 'running' ? 'connect: connection refused' : 'i/o timeout';
    throw new StatusError('InternalError', `error dialing backend: dial tcp ${this.config.ip}:10250: ${why}`);
  }

  dial(context: Context, address: SocketAddress): Promise<ByteStream> {
    return this.#options.fabric.dial(context, this.machine.network.host, address);
  }

  crash(): void {
    this.kubeletComponent.crash();
    this.proxy.crash();
    this.runtime.reset();
    this.machine.kill();
  }

  async stop(): Promise<void> {
    await Promise.all([this.kubeletComponent.stop(), this.proxy.stop()]);
    this.runtime.reset();
    this.machine.shutDown();
  }

  #createKubelet(logger: Logger): Kubelet {
    const { clock, random, config } = this.#options;
    const { name, ip, cpus, memoryBytes, maxPods } = config;
    const client = this.#client(identities.kubelet(name), 'kubelet');
    return new Kubelet({
      ...{ nodeName: name, client, clock, random, logger },
      informers: () => this.#informers(identities.kubelet(name), 'kubelet'),
      recorder: (life) =>
        new ApiEventRecorder({ client, clock, random, logger, component: 'kubelet', host: name, life }),
      runtime: this.runtime,
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
    return new RestClient(new InProcessTransport({ handler: this.#options.handler, user, userAgent }));
  }

  #informers(user: UserInfo, program: string): InformerFactory {
    const { clock, random, logger } = this.#options;
    return new SharedInformerFactory({ client: this.#client(user, program), clock, random, logger });
  }
}
