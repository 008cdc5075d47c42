import type { Context } from '#base/context';
import type { ApiServerWatch } from '#apiserver/api-server-metrics';
import type { ComponentState } from '#base/component';
import type { Disposable } from '#base/disposable';
import type { EtcdClient } from '#etcd/client';
import type { Transport } from '#client/transport';
import type { Fault, FaultSpec } from '#machines/faults';
import type { DriverName, LabConfig } from './lab-config.ts';
import type { NewSshMachine } from './ssh-config.ts';
import type { LabStore } from './stores/lab-store.ts';

/** One line of what a start is doing. */
export interface LabStep {
  readonly text: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  readonly elapsedMs?: number;
  /** The node that it is about, when it is about one. */
  readonly node?: string;
  /** 0 to 1, where it can be told while it runs. */
  readonly fraction?: number;
  /** What it does just now: `Unpacking packages`. */
  readonly detail?: string;
}

export type LabPhase = 'creating' | 'starting' | 'running' | 'stopping' | 'stopped' | 'failed';

/** What is true of a machine or a component, whatever the API server believes of it. */
export type LabTruth =
  | {
      readonly kind: 'machine';
      readonly id: string;
      readonly name: string;
      readonly role: 'master' | 'worker';
      readonly driver: DriverName;
      readonly address: string;
      readonly state: 'starting' | 'running' | 'paused' | 'killed' | 'stopped' | 'unreachable';
      readonly sinceMs: number;
      readonly cpus?: number;
      readonly memoryBytes?: number;
      /** `jane@10.0.0.7` for driver ssh. */
      readonly target?: string;
      /** A sentence when the state does not say it: `connecting again in 4 s`. */
      readonly note?: string;
    }
  | {
      readonly kind: 'component';
      readonly id: string;
      readonly component:
        'kube-apiserver' | 'etcd' | 'kube-scheduler' | 'kube-controller-manager' | 'kubelet' | 'kube-proxy' | 'coredns';
      readonly machine: string;
      readonly state: ComponentState;
      readonly sinceMs: number;
      readonly metrics: Readonly<Record<string, number>>;
      readonly note?: string;
      /** Of an etcd member. */
      readonly endpoint?: string;
    };

/** How to reach the lab's etcd from outside: files, not secrets. */
export interface EtcdAccess {
  readonly endpoint: string;
  /** Of every member. */
  readonly endpoints: readonly string[];
  /** Absent for a store in clear text, `cert` and `key` also for one that asks for no client certificate. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** A worker to be added. What is absent is chosen as the lab's other workers have it. */
export interface NewWorker {
  readonly name?: string;
  readonly driver?: DriverName;
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly ssh?: NewSshMachine;
}

/** The faults of a lab: {@link FaultSpec} says which there are. */
export interface LabFaults {
  /** Oldest first; also what was healed a short while ago. */
  list(): readonly Fault[];
  onChange(listener: () => void): Disposable;
  /** Resolves when it is in place. Throws MachineError UNSUPPORTED for what a driver or kernel cannot do. */
  add(context: Context, spec: FaultSpec, forMs: number): Promise<Fault>;
  /** Idempotent. Throws MachineError INVALID for an id there never was. */
  heal(context: Context, id: string): Promise<void>;
}

/** Where an image comes from: this machine's Docker, or an archive of `docker save`. */
export type ImageSource = { readonly name: string } | { readonly file: string };

/** The masters of a lab, each of which can be killed and started on its own. Throws ClusterError MASTER_MISSING. */
export interface LabMasters {
  /** As pulling its plug: its leases run out, its connections break, the store lives on. Idempotent. */
  kill(name: string): void;
  /** Resolves when it serves again. Throws EtcdError or StatusError when the store cannot be read. Idempotent. */
  start(context: Context, name: string): Promise<void>;
}

/** The members of a lab's store. Throws ClusterError MEMBER_MISSING, or UNSUPPORTED for members that are not the lab's own. */
export interface LabEtcdMembers {
  /** As pulling its plug. Idempotent. */
  kill(name: string): void;
  /** Resolves when it answers, or runs without the majority that it needs to. Idempotent. */
  start(context: Context, name: string): Promise<void>;
}

/** A running lab as its host uses it. */
export interface RunningLab {
  readonly config: LabConfig;
  readonly server: string;
  readonly kubeconfigPath: string;
  readonly etcdAccess: EtcdAccess;
  readonly etcd: EtcdClient;
  readonly store: Pick<LabStore, 'kind' | 'maintenance' | 'copyTo'>;
  readonly etcdMembers: LabEtcdMembers;
  /** Speaks as `kubernetes-admin`. */
  readonly admin: Transport;
  truths(): Promise<readonly LabTruth[]>;
  readonly masters: LabMasters;
  /** Watches that the API servers have open. */
  apiWatches(): readonly ApiServerWatch[];
  readonly faults: LabFaults;
  /** Answers with the new node's name when it is Ready. */
  addWorker(context: Context, wanted: NewWorker, onSteps?: (steps: readonly LabStep[]) => void): Promise<string>;
  /** Puts an image on every real node that runs. Throws MachineError. */
  loadImage(context: Context, source: ImageSource, onSteps: (steps: readonly LabStep[]) => void): Promise<void>;
  killWorker(context: Context, name: string): Promise<void>;
  startWorker(context: Context, name: string): Promise<void>;
  deleteWorker(context: Context, name: string): Promise<void>;
  stop(): Promise<void>;
}
