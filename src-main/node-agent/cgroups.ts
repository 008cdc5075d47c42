import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { LinuxContainerResources } from '#cri/cri';
import type { PodCgroups } from '#kubelet/options';

const mountPoint = '/sys/fs/cgroup';
/** Controllers of version 1 in which a container's group is made; others follow the runtime. */
const controllers = ['cpu', 'cpuacct', 'cpuset', 'memory', 'pids', 'blkio', 'freezer', 'devices'] as const;

export interface CgroupsOptions {
  /** What pods may use together. */
  readonly allocatable: LinuxContainerResources;
  readonly warn: (message: string) => void;
}

/**
 * The cgroups of pods on this machine (pkg/kubelet/cm, release 1.36), in version 1 and 2:
 *
 * ```
 * <root>/kubepods                       what all pods may use together
 *                /pod<uid>              Guaranteed
 *                /burstable/pod<uid>
 *                /besteffort/pod<uid>   <- the runtime makes the groups of containers in here
 * ```
 */
export class HostCgroups implements PodCgroups {
  readonly root: string;
  readonly #unified: boolean;
  readonly #warn: (message: string) => void;

  constructor({ allocatable, warn }: CgroupsOptions) {
    this.#unified = existsSync(join(mountPoint, 'cgroup.controllers'));
    this.root = ownRoot(this.#unified);
    this.#warn = warn;
    this.ensurePod('/kubepods', allocatable);
    this.ensurePod('/kubepods/burstable', {});
    this.ensurePod('/kubepods/besteffort', { cpuShares: 2 });
  }

  ensurePod(cgroup: string, resources: LinuxContainerResources): void {
    const path = this.root + cgroup;
    if (this.#unified) this.#ensureUnified(path, resources);
    else this.#ensureV1(path, resources);
  }

  removePod(cgroup: string): void {
    const folders = this.#unified
      ? [join(mountPoint, this.root, cgroup)]
      : // Also in hierarchies without controllers, which runtimes use too.
        readdirSync(mountPoint).map((name) => join(mountPoint, name, this.root, cgroup));
    for (const folder of folders) if (existsSync(folder)) this.#try(() => removeTree(folder), folder);
  }

  #ensureV1(path: string, resources: LinuxContainerResources): void {
    for (const name of controllers) {
      const folder = join(mountPoint, name, path);
      if (!existsSync(join(mountPoint, name))) continue;
      mkdirSync(folder, { recursive: true });
      if (name === 'cpuset') inheritCpuset(join(mountPoint, name), folder);
    }
    const write = (controller: string, file: string, value: number): void => {
      const target = join(mountPoint, controller, path, file);
      if (existsSync(target)) this.#try(() => writeFileSync(target, String(value)), target);
    };
    const { cpuShares, cpuPeriod, cpuQuota, memoryLimitBytes } = resources;
    if (cpuShares !== undefined) write('cpu', 'cpu.shares', cpuShares);
    if (cpuPeriod !== undefined) write('cpu', 'cpu.cfs_period_us', cpuPeriod);
    if (cpuQuota !== undefined) write('cpu', 'cpu.cfs_quota_us', cpuQuota);
    if (memoryLimitBytes !== undefined) write('memory', 'memory.limit_in_bytes', memoryLimitBytes);
  }

  #ensureUnified(path: string, resources: LinuxContainerResources): void {
    const folder = join(mountPoint, path);
    mkdirSync(folder, { recursive: true });
    for (let parent = dirname(folder); parent.startsWith(mountPoint); parent = dirname(parent)) {
      this.#try(() => writeFileSync(join(parent, 'cgroup.subtree_control'), '+cpu +memory +pids'), parent);
      if (parent === join(mountPoint, this.root)) break;
    }
    const write = (file: string, value: string): void => {
      const target = join(folder, file);
      if (existsSync(target)) this.#try(() => writeFileSync(target, value), target);
    };
    const { cpuShares, cpuPeriod, cpuQuota, memoryLimitBytes } = resources;
    // Shares of 2 to 262144 become weights of 1 to 10000, as runtimes convert them.
    if (cpuShares !== undefined) write('cpu.weight', String(1 + Math.floor(((cpuShares - 2) * 9999) / 262_142)));
    if (cpuQuota !== undefined) write('cpu.max', `${cpuQuota} ${cpuPeriod ?? 100_000}`);
    if (memoryLimitBytes !== undefined) write('memory.max', String(memoryLimitBytes));
  }

  /** A group that cannot be limited still groups: pods run, and the log says what does not hold. */
  #try(change: () => void, path: string): void {
    try {
      change();
    } catch (error) {
      this.#warn(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

/**
 * The group that everything on this machine is in: the root, except in a container that sees its host's groups. Process 1
 * tells, since the kubelet itself may be in the group of its service.
 */
function ownRoot(unified: boolean): string {
  const lines = readFileSync('/proc/1/cgroup', 'utf8').split('\n');
  const line = lines.find((text) => (unified ? text.startsWith('0::') : /^\d+:([^:]*,)?memory(,[^:]*)?:/.test(text)));
  const path = (line?.split(':').slice(2).join(':') ?? '/').replace(/\/(init\.scope|init)?$/, '');
  const visible = join(mountPoint, unified ? '' : 'memory', path);
  return path !== '' && existsSync(visible) ? path : '';
}

/** A group of version 1 has no CPUs and no memory nodes until it is told which. */
function inheritCpuset(top: string, folder: string): void {
  if (folder === top) return;
  inheritCpuset(top, dirname(folder));
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const path = join(folder, file);
    if (!existsSync(path) || readFileSync(path, 'utf8').trim() !== '') continue;
    writeFileSync(path, readFileSync(join(dirname(folder), file)));
  }
}

function removeTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name));
  }
  rmdirSync(folder);
}
