import type { StoreAccess } from './store.ts';

/** What the UI knows of labs (clusters), their machines and their components. */

export type LabDriver = 'embedded' | 'docker' | 'ssh';

/** `failed` keeps its steps and error, so that the person can read what happened; start tries again. */
export type LabPhase = 'creating' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';

export interface ProgressStep {
  /** One short line for a person: `Joining worker-2`. */
  readonly text: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  /** How long it took, or has been taking. */
  readonly elapsedMs?: number;
  /** The node that it is about, when it is about one. */
  readonly node?: string;
  /** 0 to 1, where it can be told while it runs. */
  readonly fraction?: number;
  /** What it does just now: `Unpacking packages`. */
  readonly detail?: string;
}

/** Something longer that a person asked for, beside a lab's own start and stop. Kept for a while when it ended. */
export interface Task {
  /** `t-1`, unique in a host. */
  readonly id: string;
  readonly kind:
    'node-add' | 'image-load' | 'snapshot-save' | 'snapshot-restore' | 'store-compact' | 'store-defragment';
  /** The node, image, revision or file it is about. */
  readonly subject: string;
  readonly state: 'running' | 'done' | 'failed';
  readonly steps: readonly ProgressStep[];
  /** Why `state` is failed: what happened and what to do. */
  readonly error?: string;
  readonly sinceMs: number;
}

/** What a file made of a whole lab says of itself. */
export interface LabSnapshot {
  /** Of the Drydock that made it. */
  readonly version: string;
  readonly lab: string;
  readonly driver: string;
  readonly masters: number;
  readonly workers: number;
  readonly createdAtMs: number;
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[];
}

export interface Lab {
  /** Unique in a home; a DNS label. */
  readonly name: string;
  /** Of the workers it was created with; others may have been added. */
  readonly driver: LabDriver;
  readonly masters: number;
  readonly workers: number;
  readonly phase: LabPhase;
  /** Of the last create, start or stop, oldest first. */
  readonly steps: readonly ProgressStep[];
  /** Why `phase` is failed: what happened and what to do. */
  readonly error?: string;
  /** `https://127.0.0.1:6443` */
  readonly server?: string;
  /** Path of the kubeconfig file. */
  readonly kubeconfig?: string;
  /** What it keeps its objects in: etcd members of its own, or somebody's etcd. Absent: the embedded store. */
  readonly store?: 'local' | 'external';
  /** How to reach that while it runs: files and addresses. */
  readonly etcd?: StoreAccess;
  /** When it last became running. */
  readonly runningSinceMs?: number;
}

export type ComponentState = 'stopped' | 'starting' | 'running' | 'stopping' | 'crashed';

/** The truth about a machine, whatever the API server believes. */
export interface MachineTruth {
  readonly kind: 'machine';
  /** `machine/worker-1` */
  readonly id: string;
  /** The node's name. */
  readonly name: string;
  readonly role: 'master' | 'worker';
  readonly driver: LabDriver;
  readonly address: string;
  /** `unreachable`: the connection to it is lost and nobody can say. */
  readonly state: 'starting' | 'running' | 'paused' | 'killed' | 'stopped' | 'unreachable';
  readonly sinceMs: number;
  /** What its processes may use: of the machine, or of the limits it was given. */
  readonly cpus?: number;
  readonly memoryBytes?: number;
  /** `jane@10.0.0.7` for driver ssh. */
  readonly target?: string;
  /** A sentence when the state does not say it: `connecting again in 4 s`. */
  readonly note?: string;
}

/** The truth about one component. */
export interface ComponentTruth {
  readonly kind: 'component';
  /** `kube-scheduler/master-1`: the component's own name. */
  readonly id: string;
  readonly component:
    'kube-apiserver' | 'etcd' | 'kube-scheduler' | 'kube-controller-manager' | 'kubelet' | 'kube-proxy' | 'coredns';
  /** Name of the machine it runs on. */
  readonly machine: string;
  readonly state: ComponentState;
  readonly sinceMs: number;
  /**
   * Numbers it tells of itself; absent ones are not shown. Known names: `requestsPerSecond`, `p99Ms`, `watches` (API
   * server); `revision`, `keys`, `watchers`, `writesPerSecond`, `dbSizeBytes` (etcd); `queue`, `scheduled`
   * (scheduler); `queue` (controller manager); `pods` (kubelet); `services` (kube-proxy).
   */
  readonly metrics: Readonly<Record<string, number>>;
  /** A sentence when the numbers do not say it: `leader`, `waiting for the API server`. */
  readonly note?: string;
  /** Of an etcd member: `https://127.0.0.1:2379`. */
  readonly endpoint?: string;
}

export type Truth = MachineTruth | ComponentTruth;
