import type { ContainerStatus, Pod } from '#api/gen/types';
import { formatTime, type Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CriError, type ContainerStats, type RuntimeService } from '#cri/cri';
import type { FsStats, HostStats } from './host-stats.ts';
import { UsageRates } from './usage-rates.ts';

export interface StatsProviderOptions {
  readonly nodeName: string;
  readonly runtime: Pick<RuntimeService, 'containerStats'>;
  /** Absent where there is no machine to speak of: then only pods are told about. */
  readonly stats?: HostStats;
  readonly clock: Clock;
  /** Pods of this node with the statuses decided on last. */
  readonly pods: () => readonly Pod[];
}

interface CpuStats {
  readonly time: string;
  /** Absent until there are two readings. */
  readonly usageNanoCores?: number;
  readonly usageCoreNanoSeconds: number;
}

interface MemorySummary {
  readonly time: string;
  readonly workingSetBytes: number;
  readonly usageBytes: number;
  readonly availableBytes?: number;
}

interface ContainerSummary {
  readonly name: string;
  readonly startTime: string | undefined;
  readonly cpu: CpuStats;
  readonly memory: MemorySummary;
}

export interface PodSummary {
  readonly podRef: { readonly name: string; readonly namespace: string; readonly uid: string };
  readonly startTime: string | undefined;
  readonly containers: readonly ContainerSummary[];
  readonly cpu: CpuStats;
  readonly memory: MemorySummary;
}

/** Figures of the node and its pods (`/stats/summary`, stats.k8s.io/v1alpha1, release 1.36). */
export class StatsProvider {
  readonly #options: StatsProviderOptions;
  readonly #rates = new UsageRates();

  constructor(options: StatsProviderOptions) {
    this.#options = options;
  }

  async summary(context: Context): Promise<unknown> {
    return { node: this.#node(), pods: await this.pods(context) };
  }

  async pods(context: Context): Promise<readonly PodSummary[]> {
    const summaries: PodSummary[] = [];
    const seen = new Set<string>(['node']);
    for (const pod of this.#options.pods()) {
      const containers: ContainerSummary[] = [];
      for (const status of runningOf(pod)) {
        const id = idOf(status);
        seen.add(id);
        const stats = await this.#containerStats(context, id);
        if (stats) containers.push(this.#container(status, stats));
      }
      if (containers.length > 0) summaries.push(this.#pod(pod, containers));
    }
    this.#rates.keepOnly(seen);
    return summaries;
  }

  /** Undefined for a container that went while it was asked about. */
  async #containerStats(context: Context, id: string): Promise<ContainerStats | undefined> {
    try {
      return await this.#options.runtime.containerStats(context, id);
    } catch (error) {
      if (error instanceof CriError && error.code === 'NotFound') return undefined;
      throw error;
    }
  }

  #container(status: ContainerStatus, stats: ContainerStats): ContainerSummary {
    const time = formatTime(stats.timestampMs);
    return {
      name: status.name,
      startTime: status.state?.running?.startedAt,
      cpu: this.#cpu(stats.id, stats.timestampMs, stats.cpuUsageCoreNanoSeconds),
      memory: { time, workingSetBytes: stats.memoryWorkingSetBytes, usageBytes: stats.memoryWorkingSetBytes },
    };
  }

  #pod(pod: Pod, containers: readonly ContainerSummary[]): PodSummary {
    const { name = '', namespace = '', uid = '' } = pod.metadata;
    const time = formatTime(this.#options.clock.now());
    const sum = (of: (container: ContainerSummary) => number): number =>
      containers.reduce((total, container) => total + of(container), 0);
    const workingSetBytes = sum((container) => container.memory.workingSetBytes);
    return {
      podRef: { name, namespace, uid },
      startTime: pod.status?.startTime,
      containers,
      cpu: {
        time,
        usageNanoCores: sum((container) => container.cpu.usageNanoCores ?? 0),
        usageCoreNanoSeconds: sum((container) => container.cpu.usageCoreNanoSeconds),
      },
      memory: { time, workingSetBytes, usageBytes: workingSetBytes },
    };
  }

  #node(): unknown {
    const { stats, nodeName, clock } = this.#options;
    if (!stats) return { nodeName };
    const nowMs = clock.now();
    const time = formatTime(nowMs);
    const { capacityBytes, workingSetBytes } = stats.memory();
    const { running, max } = stats.processes();
    const imageFs = fsSummary(time, stats.imageFs());
    return {
      nodeName,
      cpu: this.#cpu('node', nowMs, stats.cpuNanoSeconds()),
      memory: { time, availableBytes: capacityBytes - workingSetBytes, workingSetBytes, usageBytes: workingSetBytes },
      fs: fsSummary(time, stats.nodeFs()),
      runtime: { imageFs, containerFs: imageFs },
      rlimit: { time, maxpid: max, curproc: running },
    };
  }

  #cpu(key: string, timeMs: number, usageCoreNanoSeconds: number): CpuStats {
    const usageNanoCores = this.#rates.rate(key, timeMs, usageCoreNanoSeconds);
    return {
      time: formatTime(timeMs),
      ...(usageNanoCores === undefined ? {} : { usageNanoCores }),
      usageCoreNanoSeconds,
    };
  }
}

function fsSummary(time: string, { availableBytes, capacityBytes, usedBytes, inodes, inodesFree }: FsStats): unknown {
  return { ...{ time, availableBytes, capacityBytes, usedBytes, inodes, inodesFree }, inodesUsed: inodes - inodesFree };
}

export function runningOf(pod: Pod): readonly ContainerStatus[] {
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = pod.status ?? {};
  return [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses].filter(
    (status) => status.state?.running && status.containerID,
  );
}

/** `containerd://abc` names container `abc`. */
export function idOf({ containerID = '' }: ContainerStatus): string {
  return containerID.slice(containerID.indexOf('://') + 3);
}
