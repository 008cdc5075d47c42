import type { Context } from '#base/context';
import type { Clock } from '#base/clock';
import type { SocketAddress } from '#base/streams';
import type { DockerDriver, DockerLab } from '#machines/docker/driver';
import type { LabNetworkFacts } from '#machines/docker/network';
import { MachineError } from '#machines/errors';
import type { FaultPeer } from '#machines/faults';
import { machinePaths, type MachineProgress } from '#machines/machine';
import type { LabConfig, WorkerConfig } from '../lab-config.ts';
import type { ClusterPki } from '../pki.ts';
import { agentFiles } from './agent-files.ts';
import { kubeletPort, RemoteWorker } from './remote-worker.ts';

export interface DockerNodesOptions {
  readonly driver: DockerDriver;
  readonly lab: LabConfig;
  readonly pki: ClusterPki;
  readonly clock: Clock;
  /** Of the API servers' one address, on 127.0.0.1. */
  readonly apiPort: number;
  /** Makes the API server listen on an address of this computer besides 127.0.0.1. */
  readonly listenAlso: (host: string) => Promise<void>;
  readonly bootstrapToken: (context: Context) => Promise<string>;
}

/** Where the API server answers nodes when Docker's own machine is not this computer. */
const hostName = 'host.docker.internal';

/** The Docker side of one running lab: its network, and its workers as containers. */
export class DockerNodes {
  readonly #options: DockerNodesOptions;
  readonly #lab: DockerLab;
  #network: LabNetworkFacts | undefined;
  #listening = false;

  constructor(options: DockerNodesOptions) {
    this.#options = options;
    const { driver, lab } = options;
    this.#lab = driver.lab(lab.name, lab.docker ? { subnet: lab.docker.subnet } : {});
  }

  /** Undefined until `open`. */
  get subnet(): string | undefined {
    return this.#network?.subnet;
  }

  /** The node image. The longest part of a first start. */
  async prepare(context: Context, onProgress: (progress: MachineProgress) => void): Promise<void> {
    await this.#options.driver.check(context);
    await this.#options.driver.prepareImage(context, onProgress);
  }

  /** The lab's network. Removes what an earlier life left of nodes that are no more. */
  async open(context: Context, nodes: readonly string[]): Promise<void> {
    if (this.#network) return;
    await this.#lab.sweep(context, nodes);
    this.#network = await this.#lab.network.ensure(context);
  }

  /** The API server answers on the lab's network. Idempotent; after `open`, and when the API server runs. */
  async listen(): Promise<void> {
    if (this.#listening || !this.#network?.gatewayIsHost) return;
    await this.#options.listenAlso(this.#network.gateway);
    this.#listening = true;
  }

  worker(config: WorkerConfig): RemoteWorker {
    const { pki, clock } = this.#options;
    const machine = this.#lab.machine(config.name, config, config.hostNumber ?? 2);
    return new RemoteWorker({
      ...{ config, machine, clock, ca: pki.ca.certificate, kubeletClient: pki.apiserverKubeletClient },
      apiPeers: () => this.#apiPeers(),
      files: async (context) =>
        agentFiles(pki, {
          worker: config,
          driver: 'docker',
          networkId: machine.networkId,
          apiUpstreams: [this.#upstream()],
          ownsContainerd: true,
          criEndpoint: `unix://${machinePaths.criSocket}`,
          bootstrapToken: await this.#options.bootstrapToken(context),
          limited: true,
        }),
    });
  }

  /** The node asks the gateway; the API server asks kubelets from there. */
  #apiPeers(): readonly FaultPeer[] {
    if (!this.#network?.gatewayIsHost)
      throw new MachineError(
        'UNSUPPORTED',
        'Docker runs in a machine of its own here: packets between a node and the API server cannot be told from others',
      );
    const { ip: address, port } = this.#upstream();
    return [
      { address, port },
      { address, port: kubeletPort, local: true },
    ];
  }

  #upstream(): SocketAddress {
    const port = this.#options.apiPort;
    return { ip: this.#network?.gatewayIsHost ? this.#network.gateway : hostName, port };
  }
}
