import type { Context } from '#base/context';
import type { ByteStream, ExecSession, SocketAddress } from '#base/streams';

export type RemoteDriver = 'docker' | 'ssh';

/** `unreachable`: nobody can say; the connection to the machine is lost and being made again. */
export type RemoteMachineState = 'absent' | 'starting' | 'running' | 'paused' | 'killed' | 'stopped' | 'unreachable';

/** What a start is doing on one machine, for a person. */
export interface MachineProgress {
  /** One short line: `Unpacking packages`. */
  readonly text: string;
  /** 0 to 1 where it can be told. */
  readonly fraction?: number;
}

export interface MachineFile {
  readonly path: string;
  readonly content: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}

/** What is true of a machine's hardware, as its processes may use it. */
export interface MachineResources {
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** Where the programs and the state of a real worker lie on its machine. */
export const machinePaths = {
  agentBundle: '/opt/drydock/node-agent.cjs',
  agentConfig: '/etc/drydock/agent.json',
  kubeletState: '/var/lib/kubelet',
  agentState: '/var/lib/drydock',
  criSocket: '/run/containerd/containerd.sock',
  cniConfig: '/etc/cni/net.d',
  cniPlugins: '/usr/lib/cni',
} as const;

/** The container runtime that the agent's supervisor runs (`ownsContainerd`). */
export interface RuntimeLayout {
  readonly config: string;
  readonly registryConfig: string;
  readonly root: string;
  readonly state: string;
  readonly socket: string;
  /** Where the network agent writes its CNI configuration, and the runtime reads it. */
  readonly cniConfig: string;
  /** Folders of CNI plugins: the first that has them. */
  readonly cniPlugins: readonly string[];
}

/**
 * A node container is ours alone. A machine reached by SSH may run a containerd, or have CNI networks, for other uses: what is
 * ours lies apart there, so that nobody else's is touched.
 */
export function runtimeLayout(driver: RemoteDriver): RuntimeLayout {
  if (driver === 'docker')
    return {
      config: '/etc/containerd/config.toml',
      registryConfig: '/etc/containerd/certs.d',
      root: '/var/lib/containerd',
      state: '/run/containerd',
      socket: machinePaths.criSocket,
      cniConfig: machinePaths.cniConfig,
      cniPlugins: [machinePaths.cniPlugins],
    };
  return {
    config: '/etc/drydock/containerd.toml',
    registryConfig: '/etc/drydock/certs.d',
    root: '/var/lib/drydock/containerd',
    state: '/run/drydock/containerd',
    socket: '/run/drydock/containerd/containerd.sock',
    cniConfig: '/etc/drydock/cni',
    cniPlugins: [machinePaths.cniPlugins, '/opt/cni/bin', '/usr/libexec/cni'],
  };
}

/**
 * A machine that runs the node-agent bundle and is not this process: a Docker container or a machine reached by SSH.
 * It knows nothing of Kubernetes: who starts it says which files it gets. Calls throw {@link MachineError}, or
 * CancelledError when `context` ends first. One conformance suite (`test/conformance/machines`) for every driver.
 */
export interface RemoteMachine {
  readonly name: string;
  readonly driver: RemoteDriver;
  readonly state: RemoteMachineState;
  /** When it came into its state, in milliseconds since the epoch. */
  readonly sinceMs: number;
  /** The address other nodes reach it by; undefined until it is known. */
  readonly address: string | undefined;
  /** Nodes whose machines have the same network id reach each other's addresses without a router between them. */
  readonly networkId: string;
  readonly resources: MachineResources;

  /** Makes sure that everything the agent needs is there: image or packages. Idempotent. */
  prepare(context: Context, onProgress: (progress: MachineProgress) => void): Promise<void>;
  /**
   * Powers on, writes `files`, starts the agent's supervisor (`node <agentBundle> supervise`) and resolves when it runs.
   * A machine whose agent runs already with the same files is adopted: its pods go on.
   */
  start(
    context: Context,
    files: readonly MachineFile[],
    onProgress: (progress: MachineProgress) => void,
  ): Promise<void>;
  /** Ends the agent and its containers in order; the disk stays. */
  stop(context: Context): Promise<void>;
  /** Pulls the plug. What a driver cannot do is MachineError UNSUPPORTED. */
  kill(context: Context): Promise<void>;
  pause(context: Context): Promise<void>;
  unpause(context: Context): Promise<void>;
  /** Takes away everything of ours: the container with its volumes, or what was installed on a machine. */
  remove(context: Context): Promise<void>;

  /** Runs a command as root on the machine. */
  exec(context: Context, command: readonly string[], options: { readonly stdin: boolean }): Promise<ExecSession>;
  /** A TCP connection made from the machine's own network. */
  dial(context: Context, address: SocketAddress): Promise<ByteStream>;
  /** Called after each change of state or address. */
  onChange(listener: () => void): { dispose(): void };
  /** Absent where a process without this one's connections cannot do it. */
  readonly rescue?: Rescue;
  /** Where there is no {@link rescue}: a process on the machine does `undo` when the stream to it ends, whatever ended it. */
  watchOver?(context: Context, undo: UndoAction): Promise<MachineWatch>;
  /** Lets go of connections without touching the machine. */
  close(): void;
}

/** What brings a machine back: `start` after stop and kill, `unpause` after pause. */
export type UndoAction = 'start' | 'unpause';

export interface MachineWatch {
  /** Resolves when the stream ended without `drop`, and the machine is reached again: it undoes, unless it restarted. */
  readonly ended: Promise<void>;
  /** Nothing is to be undone any more. Resolves when the machine knows. Idempotent. */
  drop(): Promise<void>;
}

/** How another process brings a machine back that is frozen or off: the guard that outlives Drydock. No secrets. */
export interface Rescue {
  readonly driver: 'docker';
  /** Of the engine: a socket's path or a URL. */
  readonly endpoint: string;
  readonly container: string;
  readonly home: string;
}
