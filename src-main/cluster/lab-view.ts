import type { Context } from '#base/context';
import type { ComponentState } from '#base/component';
import type { EtcdClient } from '#etcd/client';
import type { Transport } from '#client/transport';
import type { DriverName, LabConfig } from './lab-config.ts';

/** One line of what a start is doing. */
export interface LabStep {
  readonly text: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  readonly elapsedMs?: number;
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
      /** What its pods may use; absent for a master. */
      readonly cpus?: number;
      readonly memoryBytes?: number;
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
    };

/** How to reach the lab's etcd from outside: files, not secrets. */
export interface EtcdAccess {
  readonly endpoint: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A worker to be added. What is absent is chosen as the lab's other workers have it. */
export interface NewWorker {
  readonly name?: string;
  readonly driver?: DriverName;
  readonly cpus?: number;
  readonly memoryBytes?: number;
}

/** A running lab as its host uses it. */
export interface RunningLab {
  readonly config: LabConfig;
  readonly server: string;
  readonly kubeconfigPath: string;
  readonly etcdAccess: EtcdAccess;
  readonly etcd: EtcdClient;
  /** Speaks as `kubernetes-admin`. */
  readonly admin: Transport;
  truths(): Promise<readonly LabTruth[]>;
  /** Answers with the new node's name when it is Ready. */
  addWorker(context: Context, wanted: NewWorker): Promise<string>;
  killWorker(context: Context, name: string): Promise<void>;
  startWorker(context: Context, name: string): Promise<void>;
  deleteWorker(context: Context, name: string): Promise<void>;
  stop(): Promise<void>;
}
