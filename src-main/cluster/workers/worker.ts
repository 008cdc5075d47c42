import type { KubeletConnection } from '#apiserver/kubelet-connection';
import type { ComponentState } from '#base/component';
import type { Context } from '#base/context';
import type { ByteStream, SocketAddress } from '#base/streams';
import type { MachineProgress } from '#machines/machine';
import type { WorkerConfig } from '../lab-config.ts';
import type { LabTruth } from '../lab-view.ts';

type MachineTruth = Extract<LabTruth, { kind: 'machine' }>;
type ComponentTruth = Extract<LabTruth, { kind: 'component' }>;

/** What is true of one program on a worker. */
export interface WorkerComponent {
  /** `kubelet/worker-1`. */
  readonly name: string;
  readonly kind: ComponentTruth['component'];
  readonly state: ComponentState;
  readonly metrics: ComponentTruth['metrics'];
}

/** A node's machine with the programs of a worker on it, whatever the driver. */
export interface Worker {
  readonly config: WorkerConfig;
  readonly state: MachineTruth['state'];
  /** When it came into its state, on the lab's clock. */
  readonly sinceMs: number;
  /** The address other nodes know it by; empty until there is one. */
  readonly address: string;
  components(context: Context): Promise<readonly WorkerComponent[]>;

  /** Brings in what the machine needs before it can start: an image, packages. Idempotent; nothing to do for most. */
  prepare(context: Context, onProgress: (progress: MachineProgress) => void): Promise<void>;
  /** Power on; resolves when the programs were started. Idempotent: what runs goes on. */
  start(context: Context, onProgress: (progress: MachineProgress) => void): Promise<void>;
  /** Everything in order; disks keep what they hold. */
  stop(context: Context): Promise<void>;
  /** Pulls the plug. */
  kill(context: Context): Promise<void>;
  /** Freezes everything on it; nothing is lost. Throws MachineError UNSUPPORTED where that cannot be. */
  pause(context: Context): Promise<void>;
  unpause(context: Context): Promise<void>;
  /** Takes the machine away with its disks. */
  remove(context: Context): Promise<void>;
  /** Drydock lets go of it at once, as when its process is killed. */
  crash(): void;

  /** The kubelet's port 10250. Throws StatusError with the API server's text when it cannot be reached. */
  kubelet(context: Context): Promise<KubeletConnection>;
  /** A connection that enters the cluster at this node. */
  dial(context: Context, address: SocketAddress): Promise<ByteStream>;
}
