import type { Context } from '#base/context';
import { CodedError } from '#base/errors';
import type { ByteStream, ExecOptions, ExecSession } from '#base/streams';

/**
 * The Container Runtime Interface, version v1 (k8s.io/cri-api, release 1.36), in its own terms. What gRPC carries as a
 * message is an argument object here; times are milliseconds since the epoch instead of nanoseconds.
 */

/** The gRPC codes that runtimes answer with. */
export type CriErrorCode =
  | 'NotFound'
  | 'AlreadyExists'
  | 'InvalidArgument'
  | 'FailedPrecondition'
  | 'DeadlineExceeded'
  | 'Unavailable'
  | 'Unknown';

export class CriError extends CodedError<CriErrorCode> {
  override readonly name = 'CriError';
}

export type Labels = Readonly<Record<string, string>>;

export interface PodSandboxMetadata {
  readonly name: string;
  readonly uid: string;
  readonly namespace: string;
  /** How many sandboxes this pod had before. */
  readonly attempt: number;
}

/** `/etc/resolv.conf` of a sandbox. */
export interface DnsConfig {
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  readonly options: readonly string[];
}

export interface PodSandboxConfig {
  readonly metadata: PodSandboxMetadata;
  readonly hostname: string;
  readonly dnsConfig?: DnsConfig;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** `NODE` shares the node's network (`hostNetwork`). */
  readonly network: 'POD' | 'NODE';
  /** `NODE` shares the node's System V IPC and shared memory (`hostIPC`). Default `POD`. */
  readonly ipc?: 'POD' | 'NODE';
  /** `POD`: all containers see each other (`shareProcessNamespace`). Default `CONTAINER`. */
  readonly pid?: 'POD' | 'CONTAINER' | 'NODE';
  /** Folder of the containers' logs on the node. Runtimes that keep logs elsewhere ignore it. */
  readonly logDirectory?: string;
  /** The pod's cgroup, under which containers are put: `/kubepods/burstable/pod<uid>`. */
  readonly cgroupParent?: string;
  readonly sysctls?: Labels;
  /** The sandbox itself is privileged, so that its containers may be. */
  readonly privileged?: boolean;
  readonly portMappings?: readonly PortMapping[];
}

/** A port of the node that leads into the sandbox (`hostPort`). */
export interface PortMapping {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly containerPort: number;
  readonly hostPort: number;
  /** Empty for every address of the node. */
  readonly hostIP: string;
}

export type PodSandboxState = 'SANDBOX_READY' | 'SANDBOX_NOTREADY';

export interface PodSandbox {
  readonly id: string;
  readonly metadata: PodSandboxMetadata;
  readonly state: PodSandboxState;
  readonly createdAtMs: number;
  readonly labels: Labels;
  readonly annotations: Labels;
}

export interface PodSandboxStatus extends PodSandbox {
  /** Absent for `NODE` network and for sandboxes that are not ready. */
  readonly ip?: string;
}

export interface ContainerMetadata {
  readonly name: string;
  /** How many containers of this name the sandbox's pod had before. */
  readonly attempt: number;
}

export interface Mount {
  readonly containerPath: string;
  /** A path on the node. A missing one is created as a directory. */
  readonly hostPath: string;
  readonly readonly: boolean;
  /** Default `PRIVATE`. */
  readonly propagation?: 'PRIVATE' | 'HOST_TO_CONTAINER' | 'BIDIRECTIONAL';
}

/** Limits of one container as the kernel's cgroups count them. Absent members are unlimited. */
export interface LinuxContainerResources {
  /** Microseconds. */
  readonly cpuPeriod?: number;
  /** CPU time a period, in microseconds. */
  readonly cpuQuota?: number;
  /** Relative weight; 1024 for a whole CPU. */
  readonly cpuShares?: number;
  readonly memoryLimitBytes?: number;
  readonly oomScoreAdj?: number;
}

export type SeccompProfile =
  { readonly type: 'RuntimeDefault' | 'Unconfined' } | { readonly type: 'Localhost'; readonly path: string };

/** Who a container runs as and what it may (`securityContext`, already merged with the pod's). */
export interface ContainerSecurity {
  readonly privileged?: boolean;
  /** Without `CAP_`. `ALL` means all. */
  readonly addCapabilities?: readonly string[];
  readonly dropCapabilities?: readonly string[];
  readonly runAsGroup?: number;
  readonly supplementalGroups?: readonly number[];
  readonly readonlyRootfs?: boolean;
  readonly noNewPrivs?: boolean;
  /** Default `RuntimeDefault` is the kubelet's choice, not the runtime's: absent means unconfined. */
  readonly seccomp?: SeccompProfile;
}

/** A user's right to pull from one registry, from an image pull secret. Never logged. */
export interface RegistryAuth {
  readonly username?: string;
  readonly password?: string;
  /** Base64 of `username:password`, as `.dockerconfigjson` keeps it. */
  readonly auth?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
  readonly serverAddress?: string;
}

export interface ContainerConfig {
  readonly metadata: ContainerMetadata;
  /** An image reference or id that `imageStatus` knows. */
  readonly image: string;
  /** Replaces the image's entrypoint when not empty. */
  readonly command: readonly string[];
  /** Replaces the image's default arguments when not empty. */
  readonly args: readonly string[];
  readonly workingDir?: string;
  readonly envs: readonly { readonly key: string; readonly value: string }[];
  readonly mounts: readonly Mount[];
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  /** Numeric user the process runs as; the image's own when absent. */
  readonly runAsUser?: number;
  /** File of the log below the sandbox's `logDirectory`: `nginx/0.log`. */
  readonly logPath?: string;
  readonly resources?: LinuxContainerResources;
  readonly security?: ContainerSecurity;
}

export type ContainerState = 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';

export interface Container {
  readonly id: string;
  readonly podSandboxId: string;
  readonly metadata: ContainerMetadata;
  /** As `createContainer` was asked for it. */
  readonly image: string;
  /** Repository and digest: `docker.io/library/nginx@sha256:...`. */
  readonly imageRef: string;
  readonly state: ContainerState;
  readonly createdAtMs: number;
  readonly labels: Labels;
  readonly annotations: Labels;
}

export interface ContainerStatus extends Omit<Container, 'image'> {
  /** The image's first tag in full, as containerd resolves it: `docker.io/library/nginx:1.27`. */
  readonly image: string;
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
  readonly exitCode?: number;
  /** `Completed`, `Error` or `OOMKilled` once exited; the reason of a failed start otherwise. */
  readonly reason?: string;
  readonly message?: string;
  /** The log file on the node, in CRI's format. Absent where the runtime keeps logs some other way. */
  readonly logPath?: string;
}

export interface ContainerStats {
  readonly id: string;
  readonly metadata: ContainerMetadata;
  readonly timestampMs: number;
  /** Cumulative CPU time in nanoseconds. */
  readonly cpuUsageCoreNanoSeconds: number;
  readonly memoryWorkingSetBytes: number;
}

export type ContainerEventType =
  'CONTAINER_CREATED_EVENT' | 'CONTAINER_STARTED_EVENT' | 'CONTAINER_STOPPED_EVENT' | 'CONTAINER_DELETED_EVENT';

export interface ContainerEvent {
  readonly containerId: string;
  readonly type: ContainerEventType;
  readonly createdAtMs: number;
  readonly podSandboxMetadata: PodSandboxMetadata;
}

export interface ExecSyncResult {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly exitCode: number;
}

/** One line of a container's log as the CRI log format keeps it: `<time> <stream> <F|P> <text>`. */
export interface LogRecord {
  /** RFC 3339 with nine decimals. */
  readonly timestamp: string;
  readonly timeMs: number;
  readonly stream: 'stdout' | 'stderr';
  /** Without the line feed. */
  readonly text: Uint8Array;
  /** The line goes on in the next record of the same stream (CRI's `P`). */
  readonly partial: boolean;
}

export interface LogOptions {
  /** Only the last so many lines of what there is when the call is made. */
  readonly tailLines?: number;
  /** Only records at or after this time. */
  readonly sinceMs?: number;
  /** Wait for more until the container has exited. */
  readonly follow: boolean;
}

export interface RuntimeVersion {
  readonly runtimeName: string;
  readonly runtimeVersion: string;
}

export interface RuntimeStatus {
  readonly runtimeReady: boolean;
  readonly networkReady: boolean;
  /** Why the network is not ready. */
  readonly networkMessage?: string;
}

export interface RuntimeConfig {
  /** The range this node's pods get their addresses from. */
  readonly podCidr: string;
}

/**
 * Sandboxes and containers of one node. Every call throws {@link CriError}, or CancelledError when `context` ends first.
 * Calls may run concurrently; calls about one container take effect in the order they were made.
 */
export interface RuntimeService {
  version(context: Context): Promise<RuntimeVersion>;
  status(context: Context): Promise<RuntimeStatus>;

  updateRuntimeConfig(context: Context, config: RuntimeConfig): Promise<void>;

  /** Creates and starts a sandbox with its network; returns its id. */
  runPodSandbox(context: Context, config: PodSandboxConfig): Promise<string>;
  /** Kills what still runs in it and gives its network back. Idempotent. */
  stopPodSandbox(context: Context, podSandboxId: string): Promise<void>;
  /** Removes a sandbox and its containers with their logs. Idempotent: an unknown id is fine. */
  removePodSandbox(context: Context, podSandboxId: string): Promise<void>;
  podSandboxStatus(context: Context, podSandboxId: string): Promise<PodSandboxStatus>;
  listPodSandboxes(context: Context, filter?: { readonly podUid?: string }): Promise<readonly PodSandbox[]>;

  createContainer(context: Context, podSandboxId: string, config: ContainerConfig): Promise<string>;
  /** Throws Unknown, with the OCI runtime's text, when the command cannot be started: the container is then exited. */
  startContainer(context: Context, containerId: string): Promise<void>;
  /** SIGTERM, then SIGKILL after `timeoutSeconds`; resolves when it has exited. Idempotent. */
  stopContainer(context: Context, containerId: string, timeoutSeconds: number): Promise<void>;
  /** Removes a container with its log, killing it first. Idempotent: an unknown id is fine. */
  removeContainer(context: Context, containerId: string): Promise<void>;
  listContainers(context: Context, filter?: { readonly podSandboxId?: string }): Promise<readonly Container[]>;
  containerStatus(context: Context, containerId: string): Promise<ContainerStatus>;

  /** Throws DeadlineExceeded when the command runs longer than `timeoutSeconds` (0: no limit). */
  execSync(
    context: Context,
    containerId: string,
    command: readonly string[],
    timeoutSeconds: number,
  ): Promise<ExecSyncResult>;
  /**
   * Throws Unknown, with the OCI runtime's text, when the command cannot be started; a runtime that streams finds out later,
   * and then it is the session's `exit` that rejects so. `context` ends the session as long as it lasts.
   */
  exec(context: Context, containerId: string, options: ExecOptions): Promise<ExecSession>;
  /** Joins the streams of the container's own process. `exit` resolves when that process ends; its code may be 0 for any. */
  attach(context: Context, containerId: string, options: Omit<ExecOptions, 'command'>): Promise<ExecSession>;
  /**
   * One connection to `port` on the loopback of the sandbox. Throws Unavailable when nobody listens there; a runtime that
   * streams finds out later, and then it is `incoming` that throws so.
   */
  portForward(context: Context, podSandboxId: string, port: number): Promise<ByteStream>;

  /** The container's log. Runtimes write it to a file; this hides where. Throws NotFound once it is removed. */
  containerLog(context: Context, containerId: string, options: LogOptions): Promise<AsyncIterable<LogRecord>>;
  /**
   * Has a running container's log go on in a new file at {@link ContainerStatus.logPath}, after the caller has renamed the old
   * one. Of a container that does not run a runtime may throw any code. Runtimes that bound their logs themselves do nothing.
   */
  reopenContainerLog(context: Context, containerId: string): Promise<void>;
  containerStats(context: Context, containerId: string): Promise<ContainerStats>;
  /** Changes the limits of a container that exists. Runtimes without real limits accept and keep them. */
  updateContainerResources(context: Context, containerId: string, resources: LinuxContainerResources): Promise<void>;
  /** Every change from now on. Ends with `context`. */
  getContainerEvents(context: Context): AsyncIterable<ContainerEvent>;
}

export interface Image {
  /** `sha256:...` of the image's configuration. */
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly sizeBytes: number;
  /** The numeric user the image's processes run as; absent when it names one, or none. */
  readonly uid?: number;
  /** The user by name, when the image names one. */
  readonly username?: string;
}

/** The file system images live on. */
export interface ImageFsInfo {
  readonly mountpoint: string;
  readonly usedBytes: number;
}

/** Images of one node. Errors as for {@link RuntimeService}. */
export interface ImageService {
  listImages(context: Context): Promise<readonly Image[]>;
  /** Undefined when the node does not have the image. */
  imageStatus(context: Context, image: string): Promise<Image | undefined>;
  /**
   * Returns the image's id. Throws InvalidArgument for a malformed reference, NotFound for an unknown tag and Unknown, as
   * containerd does, for a repository or registry that is not there.
   */
  pullImage(context: Context, image: string, auth?: RegistryAuth): Promise<string>;
  /** Idempotent. */
  removeImage(context: Context, image: string): Promise<void>;
  imageFsInfo(context: Context): Promise<ImageFsInfo>;
}
