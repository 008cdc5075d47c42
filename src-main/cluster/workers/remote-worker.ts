import { StatusError } from '#api/machinery/status';
import { HttpsKubeletConnection } from '#apiserver/kubelet-client/https-kubelet-connection';
import type { KubeletConnection } from '#apiserver/kubelet-connection';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { ByteStream, SocketAddress } from '#base/streams';
import type { FaultPeer } from '#machines/faults';
import type { MachineFile, MachineProgress, RemoteMachine } from '#machines/machine';
import type { KeyPair } from '../certificates.ts';
import type { WorkerConfig } from '../lab-config.ts';
import type { Worker, WorkerComponent } from './worker.ts';

export interface RemoteWorkerOptions {
  readonly config: WorkerConfig;
  readonly machine: RemoteMachine;
  readonly clock: Clock;
  /** What the machine is told when it starts. */
  readonly files: (context: Context) => Promise<readonly MachineFile[]>;
  /** Where the API server's packets to and from the machine go. Throws MachineError UNSUPPORTED where nobody can tell. */
  readonly apiPeers: () => readonly FaultPeer[];
  /** Who the API server is to kubelets, and whose certificates kubelets serve with. */
  readonly kubeletClient: KeyPair;
  readonly ca: string;
}

export const kubeletPort = 10250;
const proxyHealthPort = 10256;
/** How long a program may take to accept a connection before it counts as gone. */
const probeTimeoutMs = 1_000;

/** A worker that is not in this process: the node-agent bundle on a container or a machine. */
export class RemoteWorker implements Worker {
  readonly config: WorkerConfig;
  readonly machine: RemoteMachine;
  readonly #options: RemoteWorkerOptions;
  readonly #kubelet: HttpsKubeletConnection;

  constructor(options: RemoteWorkerOptions) {
    const { config, machine, clock, ca, kubeletClient } = options;
    this.#options = options;
    this.config = config;
    this.machine = machine;
    this.#kubelet = new HttpsKubeletConnection({
      dial: (context) => machine.dial(context, { ip: this.address, port: kubeletPort }),
      serverName: config.name,
      clock,
      ca,
      cert: kubeletClient.certificate,
      key: kubeletClient.key,
    });
  }

  get state(): Worker['state'] {
    const { state } = this.machine;
    return state === 'absent' ? 'stopped' : state;
  }
  get sinceMs(): number {
    return this.machine.sinceMs;
  }
  get address(): string {
    return this.machine.address ?? this.config.ip;
  }

  async components(context: Context): Promise<readonly WorkerComponent[]> {
    const kinds = [
      ['kubelet', kubeletPort],
      ['kube-proxy', proxyHealthPort],
    ] as const;
    const found = kinds.map(async ([kind, port]): Promise<WorkerComponent> => {
      const name = `${kind}/${this.config.name}`;
      if (this.state !== 'running') return { name, kind, state: 'stopped', metrics: {} };
      return { name, kind, state: (await this.#answers(context, port)) ? 'running' : 'crashed', metrics: {} };
    });
    return Promise.all(found);
  }

  prepare(context: Context, onProgress: (progress: MachineProgress) => void): Promise<void> {
    return this.machine.prepare(context, onProgress);
  }

  async start(context: Context, onProgress: (progress: MachineProgress) => void): Promise<void> {
    await this.machine.start(context, await this.#options.files(context), onProgress);
  }

  stop(context: Context): Promise<void> {
    return this.machine.stop(context);
  }

  kill(context: Context): Promise<void> {
    return this.machine.kill(context);
  }

  pause(context: Context): Promise<void> {
    return this.machine.pause(context);
  }

  unpause(context: Context): Promise<void> {
    return this.machine.unpause(context);
  }

  /** Nothing is left that keeps a way to the machine open, or tries to find one. */
  async remove(context: Context): Promise<void> {
    await this.machine.remove(context);
    this.close();
  }

  crash(): void {
    this.close();
  }

  /** Lets go of the machine, which stays as it is: no connection is held or tried again. */
  close(): void {
    this.machine.close();
  }

  async kubelet(): Promise<KubeletConnection> {
    if (this.state === 'running') return this.#kubelet;
    const text = `error dialing backend: dial tcp ${this.address}:${kubeletPort}: i/o timeout`;
    throw new StatusError('InternalError', text);
  }

  dial(context: Context, address: SocketAddress): Promise<ByteStream> {
    return this.machine.dial(context, address);
  }

  /** The API server as the other end of a link. Throws MachineError UNSUPPORTED. */
  apiPeers(): readonly FaultPeer[] {
    return this.#options.apiPeers();
  }

  /** The truth about a program is whether its port is open, whatever the API server believes. */
  async #answers(context: Context, port: number): Promise<boolean> {
    const limit = context.withTimeout(this.#options.clock, probeTimeoutMs);
    try {
      const stream = await this.machine.dial(limit.context, { ip: this.address, port });
      stream.destroy();
      return true;
    } catch (error) {
      if (context.ended) throw new CancelledError('cancelled', messageOf(error));
      return false;
    } finally {
      limit.cancel();
    }
  }
}
