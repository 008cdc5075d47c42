import { AsyncQueue } from '#base/async-queue';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { ByteStream, ExecOptions, ExecSession } from '#base/streams';
import {
  CriError,
  type Container,
  type ContainerConfig,
  type ContainerEvent,
  type ContainerEventType,
  type ContainerStats,
  type ContainerStatus,
  type ExecSyncResult,
  type Image,
  type ImageFsInfo,
  type ImageService,
  type LogOptions,
  type LogRecord,
  type PodSandbox,
  type PodSandboxConfig,
  type PodSandboxStatus,
  type RuntimeConfig,
  type RuntimeService,
  type RuntimeStatus,
  type RuntimeVersion,
} from '../cri.ts';
import { SimulatedContainer } from './container.ts';
import { ImageStore } from './image-store.ts';
import { NodeFiles } from './node-files.ts';
import type { PodAttachment, PodNetwork } from './pod-network.ts';
import type { Program } from './process.ts';
import { builtInPrograms } from './programs/registry.ts';
import { defaultImages } from './default-images.ts';
import { ImageCatalogue, type CatalogueImage } from './image-catalogue.ts';

export interface SimulatedRuntimeOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly network: PodNetwork;
  /** Further binaries by name, for example `coredns`; they win over the built-in ones. */
  readonly programs?: ReadonlyMap<string, Program>;
  /** Further images; they win over the built-in ones. */
  readonly images?: readonly CatalogueImage[];
  /** How long a pull takes, in milliseconds. Default: 100 ms and 1 ms a megabyte. */
  readonly pullTimeMs?: (sizeBytes: number) => number;
  readonly kernelVersion?: string;
  readonly cpus?: number;
  readonly memoryBytes?: number;
}

interface Sandbox {
  readonly id: string;
  readonly config: PodSandboxConfig;
  readonly createdAtMs: number;
  readonly attachment: PodAttachment;
  readonly containers: Map<string, SimulatedContainer>;
  ready: boolean;
}

/** A container runtime of one node whose containers are objects of this process. */
export class SimulatedRuntime implements RuntimeService, ImageService {
  /** The machine's own files: hand it to the kubelet, which puts volumes there. */
  readonly files: NodeFiles;
  readonly #options: SimulatedRuntimeOptions;
  readonly #programs: ReadonlyMap<string, Program>;
  readonly #images: ImageStore;
  readonly #sandboxes = new Map<string, Sandbox>();
  readonly #containers = new Map<string, SimulatedContainer>();
  readonly #listeners = new Set<AsyncQueue<ContainerEvent>>();

  constructor(options: SimulatedRuntimeOptions) {
    this.#options = options;
    this.files = new NodeFiles(() => options.clock.now());
    this.#programs = new Map([...builtInPrograms, ...(options.programs ?? [])]);
    const pullTimeMs = options.pullTimeMs ?? ((sizeBytes: number): number => 100 + sizeBytes / 1_000_000);
    this.#images = new ImageStore(
      options.clock,
      new ImageCatalogue([...defaultImages, ...(options.images ?? [])]),
      pullTimeMs,
    );
  }

  /** What a power cut does to the node: no container survives and nobody is told. Images and files stay. */
  reset(): void {
    for (const sandbox of this.#sandboxes.values()) {
      for (const container of sandbox.containers.values()) container.kill();
      sandbox.attachment.detach();
      sandbox.ready = false;
    }
    this.#sandboxes.clear();
    this.#containers.clear();
  }

  async version(): Promise<RuntimeVersion> {
    return { runtimeName: 'simulator', runtimeVersion: '1.0.0' };
  }

  async status(): Promise<RuntimeStatus> {
    const networkReady = this.#options.network.podCidr !== undefined;
    return networkReady
      ? { runtimeReady: true, networkReady }
      : {
          runtimeReady: true,
          networkReady,
          networkMessage: 'Network plugin returns error: cni plugin not initialized',
        };
  }

  async updateRuntimeConfig(_context: Context, config: RuntimeConfig): Promise<void> {
    if (config.podCidr !== this.#options.network.podCidr) this.#options.network.setPodCidr(config.podCidr);
  }

  async runPodSandbox(_context: Context, config: PodSandboxConfig): Promise<string> {
    const id = this.#options.random.hex(64);
    const { name, namespace } = config.metadata;
    let attachment: PodAttachment;
    try {
      attachment = await this.#options.network.attach({ id, namespace, name, hostNetwork: config.network === 'NODE' });
    } catch (error) {
      throw new CriError('Unknown', `failed to setup network for sandbox "${id}": ${messageOf(error)}`, {
        cause: error,
      });
    }
    this.#sandboxes.set(id, { id, config, createdAtMs: this.#now(), attachment, containers: new Map(), ready: true });
    this.#announce(id, id, 'CONTAINER_CREATED_EVENT');
    this.#announce(id, id, 'CONTAINER_STARTED_EVENT');
    return id;
  }

  async stopPodSandbox(context: Context, podSandboxId: string): Promise<void> {
    const sandbox = this.#sandboxes.get(podSandboxId);
    if (!sandbox?.ready) return;
    sandbox.ready = false;
    await Promise.all([...sandbox.containers.values()].map((container) => container.stop(context, 0)));
    sandbox.attachment.detach();
    this.#announce(podSandboxId, podSandboxId, 'CONTAINER_STOPPED_EVENT');
  }

  async removePodSandbox(context: Context, podSandboxId: string): Promise<void> {
    const sandbox = this.#sandboxes.get(podSandboxId);
    if (!sandbox) return;
    await this.stopPodSandbox(context, podSandboxId);
    for (const id of [...sandbox.containers.keys()]) await this.removeContainer(context, id);
    this.#announce(podSandboxId, podSandboxId, 'CONTAINER_DELETED_EVENT');
    this.#sandboxes.delete(podSandboxId);
  }

  async podSandboxStatus(_context: Context, podSandboxId: string): Promise<PodSandboxStatus> {
    const sandbox = this.#requireSandbox(podSandboxId);
    const withIp = sandbox.ready && sandbox.config.network === 'POD';
    return { ...describeSandbox(sandbox), ...(withIp ? { ip: sandbox.attachment.namespace.ip } : {}) };
  }

  async listPodSandboxes(_context: Context, filter: { readonly podUid?: string } = {}): Promise<readonly PodSandbox[]> {
    return [...this.#sandboxes.values()]
      .filter((sandbox) => filter.podUid === undefined || sandbox.config.metadata.uid === filter.podUid)
      .map(describeSandbox);
  }

  async createContainer(_context: Context, podSandboxId: string, config: ContainerConfig): Promise<string> {
    const sandbox = this.#requireSandbox(podSandboxId);
    if (!sandbox.ready) throw new CriError('FailedPrecondition', `sandbox "${podSandboxId}" is not ready`);
    const image = this.#images.require(config.image);
    const id = this.#options.random.hex(64);
    const container = new SimulatedContainer(id, config, image, {
      clock: this.#options.clock,
      random: this.#options.random,
      sandboxId: podSandboxId,
      hostname: sandbox.config.hostname,
      dns: sandbox.config.dnsConfig,
      network: sandbox.attachment.namespace,
      nodeFiles: this.files,
      programs: this.#programs,
      kernelVersion: this.#options.kernelVersion ?? '6.1.0-drydock',
      cpus: this.#options.cpus ?? 2,
      memoryBytes: this.#options.memoryBytes ?? 4 * 1024 ** 3,
      onExit: (exited) => this.#announce(podSandboxId, exited.id, 'CONTAINER_STOPPED_EVENT'),
    });
    sandbox.containers.set(id, container);
    this.#containers.set(id, container);
    this.#announce(podSandboxId, id, 'CONTAINER_CREATED_EVENT');
    return id;
  }

  async startContainer(_context: Context, containerId: string): Promise<void> {
    const container = this.#requireContainer(containerId);
    container.start();
    this.#announce(container.sandboxId, containerId, 'CONTAINER_STARTED_EVENT');
  }

  async stopContainer(context: Context, containerId: string, timeoutSeconds: number): Promise<void> {
    await this.#requireContainer(containerId).stop(context, timeoutSeconds * 1000);
  }

  async removeContainer(context: Context, containerId: string): Promise<void> {
    const container = this.#containers.get(containerId);
    if (!container) return;
    if (container.state === 'CONTAINER_RUNNING') await container.stop(context, 0);
    this.#announce(container.sandboxId, containerId, 'CONTAINER_DELETED_EVENT');
    this.#containers.delete(containerId);
    this.#sandboxes.get(container.sandboxId)?.containers.delete(containerId);
  }

  async listContainers(
    _context: Context,
    filter: { readonly podSandboxId?: string } = {},
  ): Promise<readonly Container[]> {
    const from =
      filter.podSandboxId === undefined ? this.#containers : this.#sandboxes.get(filter.podSandboxId)?.containers;
    return [...(from?.values() ?? [])].map((container) => container.status());
  }

  async containerStatus(_context: Context, containerId: string): Promise<ContainerStatus> {
    return this.#requireContainer(containerId).status();
  }

  async execSync(
    context: Context,
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
  ): Promise<ExecSyncResult> {
    const limit =
      timeoutSeconds > 0 ? context.withTimeout(this.#options.clock, timeoutSeconds * 1000) : context.withCancel();
    const session = this.#requireContainer(containerId).exec({
      command,
      tty: false,
      stdin: false,
      stdout: true,
      stderr: true,
    });
    const collecting = Promise.all([collect(session.stdout), collect(session.stderr), session.exit]);
    const late = new Promise<undefined>((resolve) => void limit.context.onEnd(() => resolve(undefined)));
    const result = await Promise.race([collecting, late]);
    const timedOut = limit.context.endedBy === 'deadline';
    limit.cancel();
    if (!result) {
      session.close();
      context.check();
      const command0 = JSON.stringify(command[0] ?? '');
      throw new CriError(
        timedOut ? 'DeadlineExceeded' : 'Unknown',
        `failed to exec in container: timeout ${timeoutSeconds}s exceeded: ${command0}`,
      );
    }
    return { stdout: result[0], stderr: result[1], exitCode: result[2].exitCode };
  }

  async exec(_context: Context, containerId: string, options: ExecOptions): Promise<ExecSession> {
    return this.#requireContainer(containerId).exec(options);
  }

  async attach(_context: Context, containerId: string, options: Omit<ExecOptions, 'command'>): Promise<ExecSession> {
    return this.#requireContainer(containerId).attach(options);
  }

  async portForward(context: Context, podSandboxId: string, port: number): Promise<ByteStream> {
    const sandbox = this.#requireSandbox(podSandboxId);
    if (!sandbox.ready) throw new CriError('FailedPrecondition', `sandbox container ${podSandboxId} is not running`);
    try {
      return await sandbox.attachment.namespace.dial(context, { ip: '127.0.0.1', port });
    } catch (error) {
      context.check();
      throw new CriError(
        'Unavailable',
        `failed to connect to localhost:${port} inside namespace "${podSandboxId}", IPv4: dial tcp4 127.0.0.1:${port}: connect: connection refused IPv6 dial tcp6: address localhost: no suitable address found `,
        { cause: error },
      );
    }
  }

  async containerLog(context: Context, containerId: string, options: LogOptions): Promise<AsyncIterable<LogRecord>> {
    return this.#requireContainer(containerId).log.read(context, options);
  }

  /** Nothing moves: a log here is memory, and drops its older half when it is full. */
  async reopenContainerLog(_context: Context, containerId: string): Promise<void> {
    this.#requireContainer(containerId);
  }

  async containerStats(_context: Context, containerId: string): Promise<ContainerStats> {
    const container = this.#requireContainer(containerId);
    const runningMs = container.state === 'CONTAINER_RUNNING' ? this.#now() - container.createdAtMs : 0;
    return {
      id: containerId,
      metadata: container.config.metadata,
      timestampMs: this.#now(),
      cpuUsageCoreNanoSeconds: runningMs * 1000,
      memoryWorkingSetBytes: container.state === 'CONTAINER_RUNNING' ? 4 * 1024 * 1024 : 0,
    };
  }

  /** Limits are kept by the kubelet; nothing is enforced on simulated processes. */
  async updateContainerResources(_context: Context, containerId: string): Promise<void> {
    this.#requireContainer(containerId);
  }

  getContainerEvents(context: Context): AsyncIterable<ContainerEvent> {
    const queue = new AsyncQueue<ContainerEvent>(() => this.#listeners.delete(queue));
    this.#listeners.add(queue);
    context.onEnd(() => {
      this.#listeners.delete(queue);
      queue.end();
    });
    return queue;
  }

  async listImages(): Promise<readonly Image[]> {
    return this.#images.list();
  }

  async imageStatus(_context: Context, image: string): Promise<Image | undefined> {
    return this.#images.find(image)?.image;
  }

  async pullImage(context: Context, image: string): Promise<string> {
    return (await this.#images.pull(context, image)).image.id;
  }

  async removeImage(_context: Context, image: string): Promise<void> {
    this.#images.remove(image);
  }

  async imageFsInfo(): Promise<ImageFsInfo> {
    const usedBytes = this.#images.list().reduce((sum, image) => sum + image.sizeBytes, 0);
    return { mountpoint: '/var/lib/simulator', usedBytes };
  }

  #now(): number {
    return this.#options.clock.now();
  }

  #requireSandbox(id: string): Sandbox {
    const sandbox = this.#sandboxes.get(id);
    if (!sandbox) throw new CriError('NotFound', `an error occurred when try to find sandbox "${id}": not found`);
    return sandbox;
  }

  #requireContainer(id: string): SimulatedContainer {
    const container = this.#containers.get(id);
    if (!container) throw new CriError('NotFound', `an error occurred when try to find container "${id}": not found`);
    return container;
  }

  #announce(sandboxId: string, containerId: string, type: ContainerEventType): void {
    const sandbox = this.#sandboxes.get(sandboxId);
    if (!sandbox) return;
    const event: ContainerEvent = {
      containerId,
      type,
      createdAtMs: this.#now(),
      podSandboxMetadata: sandbox.config.metadata,
    };
    for (const listener of this.#listeners) listener.push(event);
  }
}

function describeSandbox(sandbox: Sandbox): PodSandbox {
  return {
    id: sandbox.id,
    metadata: sandbox.config.metadata,
    state: sandbox.ready ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY',
    createdAtMs: sandbox.createdAtMs,
    labels: sandbox.config.labels,
    annotations: sandbox.config.annotations,
  };
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
