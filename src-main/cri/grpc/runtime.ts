import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { ByteStream, ExecOptions, ExecSession } from '#base/streams';
import {
  CriError,
  type Container,
  type ContainerConfig,
  type ContainerEvent,
  type ContainerStats,
  type ContainerStatus,
  type ExecSyncResult,
  type ImageService,
  type LinuxContainerResources,
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
import { CriConnection, type CallOptions } from './connection.ts';
import { containerMessage, resourcesMessage } from './container-config.ts';
import { EventSource, type Listed } from './events.ts';
import { GrpcImages } from './images.ts';
import { removeLogFile, removeIfEmpty } from './log-folder.ts';
import { readLogFile } from './log-file.ts';
import type {
  ContainerMessage,
  ContainerStatsMessage,
  ContainerStatusMessage,
  SandboxMessage,
  SandboxStatusMessage,
} from './messages.ts';
import { sandboxMessage, sandboxMetadata, storedConfig } from './sandbox-config.ts';
import { containerOf, containerStatsOf, containerStatusOf, sandboxOf, sandboxStatusOf } from './status.ts';
import { execAt, portForwardAt } from './streams.ts';

export interface GrpcRuntimeOptions {
  /** `unix:///run/containerd/containerd.sock`, `unix:///var/run/crio/crio.sock`. */
  readonly endpoint: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const sandboxCall: CallOptions = { request: 'PodSandboxRequest', response: 'Empty' };
const containerCall: CallOptions = { request: 'ContainerRequest', response: 'Empty' };
/** Setting up a network takes its time: upstream's kubelet gives sandboxes twice the usual. */
const sandboxTimeoutMs = 4 * 60_000;

/**
 * Any container runtime that serves CRI v1 on a socket of this machine: containerd, CRI-O. It keeps nothing that matters:
 * a new one over the same socket goes on where the last one stopped. Must run where the runtime runs, because it reads the
 * log files the runtime writes and dials its streaming server.
 */
export class GrpcRuntime extends GrpcImages implements RuntimeService, ImageService {
  readonly #options: GrpcRuntimeOptions;
  readonly #connection: CriConnection;
  readonly #events: EventSource;
  /** By sandbox id; what is not here is asked of the runtime. */
  readonly #configs = new Map<string, PodSandboxConfig>();

  constructor(options: GrpcRuntimeOptions) {
    const connection = new CriConnection(options.endpoint, options.clock);
    super(connection);
    this.#options = options;
    this.#connection = connection;
    this.#events = new EventSource({
      clock: options.clock,
      logger: options.logger,
      list: (context) => this.#listStates(context),
      hints: (context) => this.#connection.events(context),
    });
  }

  /** Hangs up. Containers go on. */
  close(): void {
    this.#connection.close();
  }

  async version(context: Context): Promise<RuntimeVersion> {
    const answer = await this.#runtime<{ runtime_name: string; runtime_version: string }>(context, 'Version', {
      version: 'v1',
    });
    return { runtimeName: answer.runtime_name, runtimeVersion: answer.runtime_version };
  }

  async status(context: Context): Promise<RuntimeStatus> {
    const answer = await this.#runtime<{ status: { conditions: readonly Condition[] } | null }>(
      context,
      'Status',
      {},
      { request: 'Empty' },
    );
    const condition = (type: string): Condition | undefined =>
      answer.status?.conditions.find((each) => each.type === type);
    const network = condition('NetworkReady');
    const networkReady = network?.status ?? false;
    return {
      runtimeReady: condition('RuntimeReady')?.status ?? false,
      networkReady,
      ...(networkReady || !network?.message ? {} : { networkMessage: network.message }),
    };
  }

  async updateRuntimeConfig(context: Context, { podCidr }: RuntimeConfig): Promise<void> {
    const message = { runtime_config: { network_config: { pod_cidr: podCidr } } };
    await this.#runtime(context, 'UpdateRuntimeConfig', message, { response: 'Empty' });
  }

  async runPodSandbox(context: Context, config: PodSandboxConfig): Promise<string> {
    await this.#events.begun();
    const message = { config: sandboxMessage(config) };
    const { pod_sandbox_id: id } = await this.#runtime<{ pod_sandbox_id: string }>(context, 'RunPodSandbox', message, {
      timeoutMs: sandboxTimeoutMs,
    });
    this.#configs.set(id, config);
    this.#events.nudge();
    return id;
  }

  async stopPodSandbox(context: Context, podSandboxId: string): Promise<void> {
    const message = { pod_sandbox_id: podSandboxId };
    await this.#runtime(context, 'StopPodSandbox', message, { ...sandboxCall, timeoutMs: sandboxTimeoutMs });
    this.#events.nudge();
  }

  async removePodSandbox(context: Context, podSandboxId: string): Promise<void> {
    const config = await this.#config(context, podSandboxId).catch(nothingIfNotFound);
    if (!config) return;
    // CRI has containers removed with their sandbox, but their logs are the caller's.
    for (const container of await this.listContainers(context, { podSandboxId })) {
      await this.removeContainer(context, container.id);
    }
    await this.stopPodSandbox(context, podSandboxId);
    await this.#runtime(context, 'RemovePodSandbox', { pod_sandbox_id: podSandboxId }, sandboxCall);
    this.#configs.delete(podSandboxId);
    if (config.logDirectory) await removeIfEmpty(config.logDirectory);
    this.#events.nudge();
  }

  async podSandboxStatus(context: Context, podSandboxId: string): Promise<PodSandboxStatus> {
    return sandboxStatusOf(await this.#sandbox(context, podSandboxId));
  }

  async listPodSandboxes(context: Context, filter: { readonly podUid?: string } = {}): Promise<readonly PodSandbox[]> {
    const sandboxes = (await this.#listSandboxes(context)).map(sandboxOf);
    return sandboxes.filter(({ metadata }) => filter.podUid === undefined || metadata.uid === filter.podUid);
  }

  async createContainer(context: Context, podSandboxId: string, config: ContainerConfig): Promise<string> {
    await this.#events.begun();
    const sandbox = await this.#config(context, podSandboxId);
    const { container_id: id } = await this.#runtime<{ container_id: string }>(context, 'CreateContainer', {
      pod_sandbox_id: podSandboxId,
      config: containerMessage(config, sandbox),
      sandbox_config: sandboxMessage(sandbox),
    });
    this.#events.nudge();
    return id;
  }

  async startContainer(context: Context, containerId: string): Promise<void> {
    try {
      await this.#runtime(context, 'StartContainer', { container_id: containerId }, containerCall);
    } finally {
      this.#events.nudge();
    }
  }

  async stopContainer(context: Context, containerId: string, timeoutSeconds: number): Promise<void> {
    const timeoutMs = 2 * 60_000 + timeoutSeconds * 1000;
    const message = { container_id: containerId, timeout: timeoutSeconds };
    await this.#runtime(context, 'StopContainer', message, { response: 'Empty', timeoutMs });
    this.#events.nudge();
  }

  async removeContainer(context: Context, containerId: string): Promise<void> {
    const status = await this.#container(context, containerId).catch(nothingIfNotFound);
    if (!status) return;
    await this.#runtime(context, 'RemoveContainer', { container_id: containerId }, containerCall);
    if (status.log_path) await removeLogFile(status.log_path);
    this.#events.nudge();
  }

  async listContainers(
    context: Context,
    filter: { readonly podSandboxId?: string } = {},
  ): Promise<readonly Container[]> {
    return (await this.#listContainers(context, filter.podSandboxId ?? '')).map(containerOf);
  }

  async containerStatus(context: Context, containerId: string): Promise<ContainerStatus> {
    const status = await this.#container(context, containerId);
    // The status does not name the sandbox; the list does.
    const { containers } = await this.#runtime<ContainerList>(context, 'ListContainers', {
      filter: { id: containerId },
    });
    const podSandboxId = containers[0]?.pod_sandbox_id;
    if (podSandboxId === undefined) throw new CriError('NotFound', `container "${containerId}" was removed meanwhile`);
    return containerStatusOf(status, podSandboxId);
  }

  execSync(
    context: Context,
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
  ): Promise<ExecSyncResult> {
    const message = { container_id: containerId, cmd: command, timeout: timeoutSeconds };
    // The runtime ends the command by itself; this is for one that does not answer.
    const timeoutMs = timeoutSeconds > 0 ? timeoutSeconds * 1000 + 2 * 60_000 : undefined;
    return this.#runtime<{ stdout: Uint8Array; stderr: Uint8Array; exit_code: number }>(context, 'ExecSync', message, {
      timeoutMs,
    }).then(({ stdout, stderr, exit_code: exitCode }) => ({ stdout, stderr, exitCode }));
  }

  async exec(context: Context, containerId: string, options: ExecOptions): Promise<ExecSession> {
    const { command, ...streams } = withoutStderr(options);
    const message = { container_id: containerId, cmd: command, ...streams };
    return execAt(context, await this.#url(context, 'Exec', message), streams);
  }

  async attach(context: Context, containerId: string, options: Omit<ExecOptions, 'command'>): Promise<ExecSession> {
    const streams = withoutStderr(options);
    return execAt(context, await this.#url(context, 'Attach', { container_id: containerId, ...streams }), streams);
  }

  async portForward(context: Context, podSandboxId: string, port: number): Promise<ByteStream> {
    const message = { pod_sandbox_id: podSandboxId, port: [port] };
    return portForwardAt(context, await this.#url(context, 'PortForward', message), port);
  }

  async containerLog(context: Context, containerId: string, options: LogOptions): Promise<AsyncIterable<LogRecord>> {
    const { log_path: path } = await this.#container(context, containerId);
    if (!path) throw new CriError('FailedPrecondition', `container "${containerId}" was created without a log path`);
    const running = async (): Promise<boolean> => {
      const status = await this.#container(context, containerId).catch((error: unknown) => {
        // Whoever followed is gone: the log ends for them, quietly, whatever the call was at.
        if (context.ended) return undefined;
        // A runtime that is away for a moment has not ended the container.
        if (error instanceof CriError && error.code !== 'NotFound') return 'unknown' as const;
        return nothingIfNotFound(error);
      });
      return status === 'unknown' || status?.state === 'CONTAINER_RUNNING' || status?.state === 'CONTAINER_CREATED';
    };
    return readLogFile(context, path, { ...options, clock: this.#options.clock, running });
  }

  async reopenContainerLog(context: Context, containerId: string): Promise<void> {
    await this.#runtime(context, 'ReopenContainerLog', { container_id: containerId }, containerCall);
  }

  async containerStats(context: Context, containerId: string): Promise<ContainerStats> {
    const message = { container_id: containerId };
    const { stats } = await this.#runtime<{ stats: ContainerStatsMessage | null }>(context, 'ContainerStats', message, {
      request: 'ContainerRequest',
    });
    return containerStatsOf(stats, containerId, this.#options.clock.now());
  }

  async updateContainerResources(
    context: Context,
    containerId: string,
    resources: LinuxContainerResources,
  ): Promise<void> {
    const message = { container_id: containerId, linux: resourcesMessage(resources) };
    await this.#runtime(context, 'UpdateContainerResources', message, { response: 'Empty' });
  }

  getContainerEvents(context: Context): AsyncIterable<ContainerEvent> {
    return this.#events.watch(context);
  }

  #runtime<Response>(context: Context, method: string, message: object, options?: CallOptions): Promise<Response> {
    return this.#connection.call<Response>(context, `RuntimeService/${method}`, message, options);
  }

  async #url(context: Context, method: string, message: object): Promise<string> {
    return (await this.#runtime<{ url: string }>(context, method, message, { response: 'UrlResponse' })).url;
  }

  async #sandbox(context: Context, podSandboxId: string): Promise<SandboxStatusMessage> {
    const { status } = await this.#runtime<{ status: SandboxStatusMessage | null }>(
      context,
      'PodSandboxStatus',
      { pod_sandbox_id: podSandboxId },
      { request: 'PodSandboxRequest' },
    );
    if (!status) throw new CriError('NotFound', `sandbox "${podSandboxId}" not found`);
    return status;
  }

  async #config(context: Context, podSandboxId: string): Promise<PodSandboxConfig> {
    return this.#configs.get(podSandboxId) ?? storedConfig(await this.#sandbox(context, podSandboxId));
  }

  async #container(context: Context, containerId: string): Promise<ContainerStatusMessage> {
    const { status } = await this.#runtime<{ status: ContainerStatusMessage | null }>(
      context,
      'ContainerStatus',
      { container_id: containerId },
      { request: 'ContainerRequest' },
    );
    if (!status) throw new CriError('NotFound', `container "${containerId}" not found`);
    return status;
  }

  async #listSandboxes(context: Context): Promise<readonly SandboxMessage[]> {
    const options = { request: 'Empty' };
    return (await this.#runtime<{ items: readonly SandboxMessage[] }>(context, 'ListPodSandbox', {}, options)).items;
  }

  async #listContainers(context: Context, podSandboxId: string): Promise<readonly ContainerMessage[]> {
    const message = { filter: { pod_sandbox_id: podSandboxId } };
    return (await this.#runtime<ContainerList>(context, 'ListContainers', message)).containers;
  }

  async #listStates(context: Context): Promise<readonly Listed[]> {
    // Containers first: a sandbox is there before its containers and after them.
    const containers = await this.#listContainers(context, '');
    const sandboxes = await this.#listSandboxes(context);
    const metadata = new Map(sandboxes.map((sandbox) => [sandbox.id, sandboxMetadata(sandbox)]));
    return [
      ...sandboxes.map((sandbox): Listed => ({
        id: sandbox.id,
        state: sandbox.state === 'SANDBOX_READY' ? 'CONTAINER_RUNNING' : 'CONTAINER_EXITED',
        sandbox: sandboxMetadata(sandbox),
      })),
      ...containers.flatMap(({ id, state, pod_sandbox_id: sandboxId }): readonly Listed[] => {
        const sandbox = metadata.get(sandboxId);
        return sandbox ? [{ id, state, sandbox }] : [];
      }),
    ];
  }
}

interface Condition {
  readonly type: string;
  readonly status: boolean;
  readonly message: string;
}

interface ContainerList {
  readonly containers: readonly ContainerMessage[];
}

/** CRI refuses a terminal with a stderr of its own. */
function withoutStderr<Options extends Omit<ExecOptions, 'command'>>(options: Options): Options {
  return options.tty ? { ...options, stderr: false } : options;
}

function nothingIfNotFound(error: unknown): undefined {
  if (error instanceof CriError && error.code === 'NotFound') return undefined;
  throw error;
}
