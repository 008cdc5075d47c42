import type { Taint } from '#api/gen/types';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { NetworkNamespace } from '#base/streams';
import type { EventRecorder, InformerFactory, KubeClient } from '#client/client';
import type { ImageService, LinuxContainerResources, RuntimeService } from '#cri/cri';
import type { LogFiles } from './logs/log-files.ts';
import type { HostStats } from './stats/host-stats.ts';
import type { VolumeFiles } from './volume-files.ts';

/** What is true of the machine a kubelet runs on. */
export interface MachineFacts {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Most pods the kubelet admits. Default 110. */
  readonly maxPods?: number;
  readonly ephemeralStorageBytes?: number;
  readonly internalIP: string;
  readonly hostname?: string;
  readonly osImage: string;
  readonly kernelVersion: string;
  /** `simulator://1.0.0`. */
  readonly containerRuntimeVersion: string;
  /** GOARCH. Default `amd64`. */
  readonly architecture?: string;
  readonly machineID?: string;
  readonly bootID?: string;
}

/** The cgroups of pods, above those that the runtime makes for containers. Absent where nothing is limited. */
export interface PodCgroups {
  /** What all cgroups of pods lie under; empty for the root of what the runtime sees. */
  readonly root: string;
  /** `cgroup` is below {@link root}: `/kubepods/burstable/pod<uid>`. Idempotent. */
  ensurePod(cgroup: string, resources: LinuxContainerResources): void;
  removePod(cgroup: string): void;
}

/** What a kubelet is made of: everything of {@link KubeletOptions}, some of it anew for each life. */
export interface KubeletConfig extends KubeletFacts {
  /** Makes informers for one life of this component. */
  readonly informers: () => InformerFactory;
  /** Makes a recorder that ends with `life`. */
  readonly recorder: (life: Context) => EventRecorder;
}

/** What one life of a kubelet works with. Timers of its clock end with it. */
export interface KubeletOptions extends KubeletFacts {
  readonly recorder: EventRecorder;
}

export interface KubeletFacts {
  readonly nodeName: string;
  readonly client: KubeClient;
  readonly runtime: RuntimeService & ImageService;
  readonly files: VolumeFiles;
  /** Where logs are files that must be rotated. Absent where the runtime keeps them itself. */
  readonly logFiles?: LogFiles;
  readonly cgroups?: PodCgroups;
  /** The node's own network: probes go out from here. */
  readonly network: Pick<NetworkNamespace, 'dial'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly machine: MachineFacts;
  /** What the machine is doing. Absent: nothing is evicted for pressure. */
  readonly stats?: HostStats;
  /** Labels to register with, besides the well-known ones. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  /** Name servers of pods with the DNS policy ClusterFirst. */
  readonly clusterDNS: readonly string[];
  /** Default `cluster.local`. */
  readonly clusterDomain?: string;
  /** Default `v1.36.0`. */
  readonly kubeletVersion?: string;
}

/** Defaults of KubeletConfiguration (kubelet.config.k8s.io/v1beta1, release 1.36), in milliseconds. */
export const timings = {
  nodeStatusUpdateMs: 10_000,
  /** While the node is not Ready. */
  nodeUnreadyUpdateMs: 500,
  nodeStatusReportMs: 300_000,
  leaseRenewMs: 10_000,
  leaseDurationSeconds: 40,
  /** Pods are looked at again this often even when nothing changed. */
  resyncMs: 60_000,
  backoffInitialMs: 10_000,
  backoffMaxMs: 300_000,
} as const;
