import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { cpus } from 'node:os';
import { promisify } from 'node:util';
import { leftByClaims } from './faults/disk-claims.ts';
import type { FsStats, HostStats, MemoryStats } from '#kubelet/stats/host-stats';

/** Where what is reported lies. */
export interface HostStatsPaths {
  readonly nodeFs: string;
  readonly imageFs: string;
}

/** This machine's figures, out of `/proc`, its cgroup and its file systems, as the driver's limits narrow them. */
export class ProcHostStats implements HostStats {
  readonly #paths: HostStatsPaths;
  readonly #memoryBytes: number;

  constructor(paths: HostStatsPaths, memoryBytes: number) {
    this.#paths = paths;
    this.#memoryBytes = memoryBytes;
  }

  memory(): MemoryStats {
    return { capacityBytes: this.#memoryBytes, workingSetBytes: cgroupWorkingSet() ?? procWorkingSet() };
  }

  nodeFs(): FsStats {
    return claimed(fsStats(this.#paths.nodeFs));
  }

  imageFs(): FsStats {
    return claimed(fsStats(this.#paths.imageFs));
  }

  processes(): { readonly running: number; readonly max: number } {
    const group = ['/sys/fs/cgroup/pids', '/sys/fs/cgroup'].map((folder) => ({
      running: numberIn(`${folder}/pids.current`),
      max: numberIn(`${folder}/pids.max`),
    }));
    const limited = group.find(({ max }) => max !== undefined);
    if (limited?.max !== undefined) return { running: limited.running ?? 0, max: limited.max };
    // `0.20 0.18 0.12 1/80 11206`: of 80 threads one runs.
    const threads = /\/(\d+) /.exec(readFileSync('/proc/loadavg', 'utf8'))?.[1] ?? '0';
    const limits = ['/proc/sys/kernel/pid_max', '/proc/sys/kernel/threads-max'].map(
      (path) => numberIn(path) ?? Infinity,
    );
    return { running: Number(threads), max: Math.min(...limits) };
  }

  cpuNanoSeconds(): number {
    const usage = numberIn('/sys/fs/cgroup/cpuacct/cpuacct.usage');
    if (usage !== undefined) return usage;
    const stat = textOf('/sys/fs/cgroup/cpu.stat');
    const micro = stat && /^usage_usec (\d+)/m.exec(stat)?.[1];
    if (micro) return Number(micro) * 1000;
    return cpus().reduce((sum, { times }) => sum + (times.user + times.nice + times.sys + times.irq) * 1e6, 0);
  }

  async diskUsage(path: string): Promise<number> {
    if (!existsSync(path)) return 0;
    const { stdout } = await promisify(execFile)('du', ['-s', '-x', '-B1', path]).catch((error: unknown) => {
      // What is removed while it is counted makes du fail after it has counted the rest.
      const { stdout: counted } = error as { readonly stdout?: string };
      if (counted) return { stdout: counted };
      throw error;
    });
    return Number(stdout.split('\t')[0]);
  }
}

function fsStats(path: string): FsStats {
  const { blocks, bavail, bfree, bsize, files, ffree } = statfsSync(existsSync(path) ? path : '/');
  return {
    ...{ capacityBytes: blocks * bsize, availableBytes: bavail * bsize, usedBytes: (blocks - bfree) * bsize },
    ...{ inodes: files, inodesFree: ffree },
  };
}

/** As much of a disk as faults leave. */
function claimed(stats: FsStats): FsStats {
  const left = leftByClaims();
  if (stats.availableBytes <= left) return stats;
  return { ...stats, availableBytes: left, usedBytes: stats.capacityBytes - left };
}

/** What the cgroup at the root of this machine's view holds, without the files that may be dropped: containers as machines. */
function cgroupWorkingSet(): number | undefined {
  const v1 = numberIn('/sys/fs/cgroup/memory/memory.usage_in_bytes');
  if (v1 !== undefined) return Math.max(0, v1 - droppable('/sys/fs/cgroup/memory/memory.stat', 'total_inactive_file'));
  const v2 = numberIn('/sys/fs/cgroup/memory.current');
  return v2 === undefined ? undefined : Math.max(0, v2 - droppable('/sys/fs/cgroup/memory.stat', 'inactive_file'));
}

function droppable(path: string, name: string): number {
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(textOf(path) ?? '')?.[1] ?? 0);
}

function procWorkingSet(): number {
  const text = readFileSync('/proc/meminfo', 'utf8');
  const kibi = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  return (kibi('MemTotal') - kibi('MemAvailable')) * 1024;
}

function numberIn(path: string): number | undefined {
  const value = Number(textOf(path)?.trim() || NaN);
  return Number.isFinite(value) ? value : undefined;
}

function textOf(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}
