import type { HostStats } from '../stats/host-stats.ts';

/** What the eviction manager watches, in upstream's names (pkg/kubelet/eviction/api, release 1.36). */
export type Signal =
  'memory.available' | 'nodefs.available' | 'nodefs.inodesFree' | 'imagefs.available' | 'pid.available';

export const pressureConditions = ['MemoryPressure', 'DiskPressure', 'PIDPressure'] as const;
export type PressureCondition = (typeof pressureConditions)[number];

interface Threshold {
  readonly signal: Signal;
  readonly condition: PressureCondition;
  /** What pods run out of, as messages name it. */
  readonly resource: 'memory' | 'ephemeral-storage' | 'inodes' | 'pids';
  /** Under this much there is pressure: an amount, or a share of the capacity. */
  readonly minimum: { readonly amount: number } | { readonly share: number; readonly atMost?: number };
}

const gibi = 1024 ** 3;

/**
 * Hard thresholds: upstream's defaults, but for two things. Shares of a disk are capped, because nodes of a lab share the disk of
 * a computer that people use: one that is nine tenths full must not evict every pod. And a tenth of the process ids is
 * kept, where upstream has no default.
 */
export const hardThresholds: readonly Threshold[] = [
  {
    ...{ signal: 'memory.available', condition: 'MemoryPressure', resource: 'memory' },
    minimum: { amount: 100 * 1024 * 1024 },
  },
  {
    signal: 'nodefs.available',
    condition: 'DiskPressure',
    resource: 'ephemeral-storage',
    minimum: { share: 0.1, atMost: gibi },
  },
  { signal: 'nodefs.inodesFree', condition: 'DiskPressure', resource: 'inodes', minimum: { share: 0.05 } },
  {
    signal: 'imagefs.available',
    condition: 'DiskPressure',
    resource: 'ephemeral-storage',
    minimum: { share: 0.15, atMost: gibi },
  },
  { signal: 'pid.available', condition: 'PIDPressure', resource: 'pids', minimum: { share: 0.1 } },
];

interface Observation {
  readonly available: number;
  readonly capacity: number;
}

export function observe(stats: HostStats): Readonly<Record<Signal, Observation>> {
  const [memory, nodeFs, imageFs, processes] = [stats.memory(), stats.nodeFs(), stats.imageFs(), stats.processes()];
  return {
    'memory.available': {
      available: Math.max(0, memory.capacityBytes - memory.workingSetBytes),
      capacity: memory.capacityBytes,
    },
    'nodefs.available': { available: nodeFs.availableBytes, capacity: nodeFs.capacityBytes },
    'nodefs.inodesFree': { available: nodeFs.inodesFree, capacity: nodeFs.inodes },
    'imagefs.available': { available: imageFs.availableBytes, capacity: imageFs.capacityBytes },
    'pid.available': { available: Math.max(0, processes.max - processes.running), capacity: processes.max },
  };
}

/** A threshold that is passed. */
export interface Pressure extends Threshold {
  readonly available: number;
  readonly minimumAmount: number;
}

/** File systems without a count of inodes (btrfs, overlay on some) have no such pressure. */
export function pressures(stats: HostStats): readonly Pressure[] {
  const observed = observe(stats);
  return hardThresholds.flatMap((threshold) => {
    const { available, capacity } = observed[threshold.signal];
    const { minimum } = threshold;
    const minimumAmount =
      'amount' in minimum ? minimum.amount : Math.min(capacity * minimum.share, minimum.atMost ?? Infinity);
    return capacity > 0 && available < minimumAmount ? [{ ...threshold, available, minimumAmount }] : [];
  });
}
