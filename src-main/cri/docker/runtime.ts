import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { ByteStream, ExecOptions, ExecSession } from '#base/streams';
import type { BuiltImage } from '#images/oci-archive';
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
  type RuntimeService,
  type RuntimeStatus,
  type RuntimeVersion,
} from '../cri.ts';
import { ScopedContainers } from './containers.ts';
import { DockerConnection, ignoring, statusCodeOf } from './engine.ts';
import { DockerEvents } from './events.ts';
import { containerOptions, resolvConf, resourcesOf, sandboxOptions } from './host-config.ts';
import { DockerImages } from './images.ts';
import { containerName, criLabels, recordOf, sandboxRecord, type ContainerRecord } from './labels.ts';
import { DockerLog, readLog } from './logs.ts';
import { PauseImage } from './pause-image.ts';
import { DockerProcesses } from './processes.ts';
import {
  containerStatsOf,
  containerOf,
  containerState,
  containerStatusOf,
  failedToStart,
  sandboxOf,
  sandboxStatusOf,
} from './status.ts';

export interface DockerRuntimeOptions {
  /** `unix:///var/run/docker.sock`, `tcp://host:port`. */
  readonly endpoint: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whose containers these are: another client of the same scope adopts them, one of another does not see them. */
  readonly scope: string;
  /** The Docker network that pods get their addresses from. */
  readonly network: string;
  /** The image whose busybox holds a pod's namespaces (`buildPauseImage`); asked for when the engine has none. */
  readonly pauseImage: () => Promise<BuiltImage>;
  /** More labels for everything that is made. */
  readonly labels?: Readonly<Record<string, string>>;
}

/**
 * The Docker Engine as a node's container runtime: what dockershim was, and cri-dockerd is. A sandbox is a container that
 * holds the namespaces, and containers join it. Nothing that matters is kept here: a new client of the same scope goes on.
 */
export class DockerRuntime extends DockerImages implements RuntimeService, ImageService {
  readonly #options: DockerRuntimeOptions;
  readonly #connection: DockerConnection;
  readonly #containers: ScopedContainers;
  readonly #events: DockerEvents;
  readonly #processes: DockerProcesses;
  readonly #pause: PauseImage;
  /** When starts failed, by container id; the engine does not keep it. */
  readonly #failures = new Map<string, number>();

  constructor(options: DockerRuntimeOptions) {
    const connection = new DockerConnection(options.endpoint);
    super(connection);
    const { clock, logger } = options;
    this.#options = options;
    this.#connection = connection;
    this.#containers = new ScopedContainers(connection, options.scope, options.labels ?? {});
    this.#pause = new PauseImage(this, options.pauseImage);
    this.#processes = new DockerProcesses({ connection, clock, logger });
    this.#events = new DockerEvents({
      ...{ clock, logger },
      list: (context) => this.#containers.listStates(context),
      open: (context) => this.#containers.openEvents(context),
    });
  }

  async version(context: Context): Promise<RuntimeVersion> {
    const version = await this.#connection.call(context, (docker) => docker.version());
    return { runtimeName: 'docker', runtimeVersion: version.Version };
  }

  async status(context: Context): Promise<RuntimeStatus> {
    const { network } = this.#options;
    await this.#connection.call(context, (docker) => docker.ping());
    const found = await ignoring(
      [404],
      this.#connection.call(context, (docker) => docker.getNetwork(network).inspect()),
    );
    if (found) return { runtimeReady: true, networkReady: true };
    const networkMessage = `the Docker network ${network} is not there`;
    return { runtimeReady: true, networkReady: false, networkMessage };
  }

  /** The engine gives addresses from its network, whatever range the node has. */
  async updateRuntimeConfig(context: Context): Promise<void> {
    context.check();
  }

  async runPodSandbox(context: Context, config: PodSandboxConfig): Promise<string> {
    await this.#events.begun();
    const { scope, network, clock } = this.#options;
    const image = await this.#pause.require(context);
    const record = sandboxRecord(config, clock.now());
    const options = sandboxOptions(config, network, await this.#containers.traits(context));
    const id = await this.#containers.create(context, containerName(scope, config.metadata, undefined), record, {
      ...options,
      Image: image,
    });
    try {
      await this.#connection.call(context, (docker) => docker.getContainer(id).start());
      if (config.dnsConfig) await this.#writeResolvConf(context, id, resolvConf(config.dnsConfig));
      return id;
    } catch (error) {
      // Also when `context` has ended: half a sandbox would keep its name.
      await this.#containers.remove(Context.background(), id);
      throw error;
    }
  }

  async stopPodSandbox(context: Context, podSandboxId: string): Promise<void> {
    const containers = await this.#containers.list(context, [`${criLabels.sandbox}=${podSandboxId}`]);
    const running = containers.filter(({ State }) => containerState(State) === 'CONTAINER_RUNNING');
    await Promise.all(running.map(({ Id }) => this.#containers.kill(context, Id)));
    await this.#containers.kill(context, podSandboxId);
  }

  async removePodSandbox(context: Context, podSandboxId: string): Promise<void> {
    for (const { Id } of await this.#containers.list(context, [`${criLabels.sandbox}=${podSandboxId}`])) {
      await this.removeContainer(context, Id);
    }
    await this.#containers.remove(context, podSandboxId);
  }

  async podSandboxStatus(context: Context, podSandboxId: string): Promise<PodSandboxStatus> {
    const { facts, record } = await this.#containers.sandbox(context, podSandboxId);
    return sandboxStatusOf(facts, record);
  }

  async listPodSandboxes(context: Context, filter: { readonly podUid?: string } = {}): Promise<readonly PodSandbox[]> {
    const listed = await this.#containers.list(context, [`${criLabels.kind}=sandbox`]);
    return listed.flatMap(({ Id, State, Labels }) => {
      const record = recordOf(Labels);
      if (record?.kind !== 'sandbox') return [];
      const wanted = filter.podUid === undefined || record.pod.uid === filter.podUid;
      return wanted ? [sandboxOf(Id, State, record)] : [];
    });
  }

  async createContainer(context: Context, podSandboxId: string, config: ContainerConfig): Promise<string> {
    await this.#events.begun();
    const { facts, record: sandbox } = await this.#containers.sandbox(context, podSandboxId);
    if (!facts.State.Running) {
      throw new CriError('FailedPrecondition', `sandbox "${podSandboxId}" is not running`);
    }
    const image = await this.imageStatus(context, config.image);
    if (!image) throw new CriError('NotFound', `the image "${config.image}" is not on this node`);
    const { metadata, labels, annotations } = config;
    const record: ContainerRecord = {
      kind: 'container',
      ...{ pod: sandbox.pod, sandboxId: podSandboxId, metadata, labels, annotations, image: config.image },
      createdAtMs: this.#options.clock.now(),
      imageName: image.repoTags[0] ?? config.image,
      imageRef: image.repoDigests[0] ?? image.id,
    };
    const user = String(image.uid ?? image.username ?? 0);
    const options = containerOptions(
      await this.#allowed(context, config),
      podSandboxId,
      sandbox.config,
      user,
      await this.#containers.traits(context),
    );
    const name = containerName(this.#options.scope, sandbox.pod, metadata);
    return this.#containers.create(context, name, record, { ...options, Image: image.id });
  }

  /** An engine without CAP_SYS_RESOURCE cannot start what is to be killed last: it is then killed as any other. */
  async #allowed(context: Context, config: ContainerConfig): Promise<ContainerConfig> {
    const { resources } = config;
    if ((resources?.oomScoreAdj ?? 0) >= 0) return config;
    if (await this.#containers.mayLowerOomScore(context, await this.#pause.require(context))) return config;
    return { ...config, resources: { ...resources, oomScoreAdj: 0 } };
  }

  async startContainer(context: Context, containerId: string): Promise<void> {
    const { facts } = await this.#containers.container(context, containerId);
    if (facts.State.Status !== 'created' || failedToStart(facts.State)) {
      throw new CriError('FailedPrecondition', `container "${containerId}" has been started before`);
    }
    try {
      await this.#connection.call(context, (docker) => docker.getContainer(containerId).start());
    } catch (error) {
      if (statusCodeOf(error) === undefined) throw error;
      this.#failures.set(containerId, this.#options.clock.now());
      this.#events.failed(containerId);
      const text = error instanceof Error ? error.message : String(error);
      throw new CriError('Unknown', text, { cause: error });
    }
  }

  async stopContainer(context: Context, containerId: string, timeoutSeconds: number): Promise<void> {
    if (timeoutSeconds <= 0) {
      await this.#containers.container(context, containerId);
      await this.#containers.kill(context, containerId);
      return;
    }
    await ignoring(
      [304],
      this.#connection.call(context, (docker) => docker.getContainer(containerId).stop({ t: timeoutSeconds })),
    );
  }

  async removeContainer(context: Context, containerId: string): Promise<void> {
    await this.#containers.remove(context, containerId);
    this.#failures.delete(containerId);
  }

  async listContainers(
    context: Context,
    filter: { readonly podSandboxId?: string } = {},
  ): Promise<readonly Container[]> {
    const { podSandboxId } = filter;
    const bySandbox = podSandboxId === undefined ? [] : [`${criLabels.sandbox}=${podSandboxId}`];
    const listed = await this.#containers.list(context, [`${criLabels.kind}=container`, ...bySandbox]);
    const containers: Container[] = [];
    for (const info of listed) {
      const record = recordOf(info.Labels);
      if (record?.kind !== 'container') continue;
      const state = await this.#containers.stateOf(context, info);
      if (state !== undefined) containers.push(containerOf(info.Id, state, record));
    }
    return containers;
  }

  async containerStatus(context: Context, containerId: string): Promise<ContainerStatus> {
    const { facts, record } = await this.#containers.container(context, containerId);
    return containerStatusOf(facts, record, this.#failures.get(containerId) ?? record.createdAtMs);
  }

  execSync(
    context: Context,
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
  ): Promise<ExecSyncResult> {
    return this.#processes.execSync(context, containerId, command, timeoutSeconds);
  }

  exec(context: Context, containerId: string, options: ExecOptions): Promise<ExecSession> {
    return this.#processes.exec(context, containerId, options);
  }

  async attach(context: Context, containerId: string, options: Omit<ExecOptions, 'command'>): Promise<ExecSession> {
    const { facts } = await this.#containers.container(context, containerId);
    if (!facts.State.Running) throw new CriError('FailedPrecondition', `container "${containerId}" does not run`);
    return this.#processes.attach(context, containerId, { ...options, hasTerminal: facts.Config.Tty });
  }

  async portForward(context: Context, podSandboxId: string, port: number): Promise<ByteStream> {
    await this.#containers.sandbox(context, podSandboxId);
    return this.#processes.portForward(context, podSandboxId, port);
  }

  async containerLog(context: Context, containerId: string, options: LogOptions): Promise<AsyncIterable<LogRecord>> {
    const { facts } = await this.#containers.container(context, containerId);
    const source = new DockerLog(
      this.#connection,
      this.#containers,
      this.#options.clock,
      containerId,
      facts.Config.Tty,
    );
    return readLog(context, source, options);
  }

  /** The engine rotates its logs by itself, at the kubelet's usual size. */
  async reopenContainerLog(context: Context, containerId: string): Promise<void> {
    await this.#containers.container(context, containerId);
  }

  async containerStats(context: Context, containerId: string): Promise<ContainerStats> {
    const { record } = await this.#containers.container(context, containerId);
    const stats = await this.#connection.call(context, (docker) =>
      docker.getContainer(containerId).stats({ stream: false, 'one-shot': true }),
    );
    return containerStatsOf(stats, containerId, record, this.#options.clock.now());
  }

  async updateContainerResources(
    context: Context,
    containerId: string,
    resources: LinuxContainerResources,
  ): Promise<void> {
    await this.#connection.call(context, (docker) => docker.getContainer(containerId).update(resourcesOf(resources)));
  }

  getContainerEvents(context: Context): AsyncIterable<ContainerEvent> {
    return this.#events.watch(context);
  }

  /** The engine writes its own name server into it on a network of one's own; the pod's containers share this file. */
  async #writeResolvConf(context: Context, sandboxId: string, text: string): Promise<void> {
    const command = ['/bin/busybox', 'sh', '-c', 'printf %s "$0" >/etc/resolv.conf', text];
    const streams = { tty: false, stdin: false, stdout: true, stderr: true };
    const session = await this.#processes.exec(context, sandboxId, { ...streams, command, user: '0' });
    const { exitCode } = await session.exit;
    if (exitCode !== 0) throw new CriError('Unknown', `the sandbox's resolv.conf cannot be written (${exitCode})`);
  }
}
