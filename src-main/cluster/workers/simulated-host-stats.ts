import type { Clock } from '#base/clock';
import { disposable, type Disposable } from '#base/disposable';
import type { NodeFiles } from '#cri/simulator/node-files';
import type { FsStats, HostStats, MemoryStats } from '#kubelet/stats/host-stats';
import { nodeDiskBytes } from '#machines/faults';

/** What is taken of a machine besides what it needs itself. */
export interface Press {
  readonly memoryBytes?: number;
  readonly cores?: number;
  readonly processes?: number;
  /** So much of {@link nodeDiskBytes} is left: the least of all counts. */
  readonly diskFreePercent?: number;
}

const diskBytes = 100 * 1024 ** 3;
const diskUsedShare = 0.1;
const inodes = 6_553_600;
const maxProcesses = 32_768;
const ownProcesses = 100;
const ownMemoryBytes = 256 * 1024 ** 2;
const ownCores = 0.02;

/** Figures of a simulated machine: idle, but for what faults take. */
export class SimulatedHostStats implements HostStats {
  readonly #clock: Clock;
  readonly #files: NodeFiles;
  readonly #cpus: number;
  readonly #memoryBytes: number;
  readonly #presses = new Set<Press>();
  #cpuNanoSeconds = 0;
  #countedMs: number;

  constructor(options: {
    readonly clock: Clock;
    readonly files: NodeFiles;
    readonly cpus: number;
    readonly memoryBytes: number;
  }) {
    this.#clock = options.clock;
    this.#files = options.files;
    this.#cpus = options.cpus;
    this.#memoryBytes = options.memoryBytes;
    this.#countedMs = options.clock.now();
  }

  /** Until it is disposed of. */
  press(press: Press): Disposable {
    this.cpuNanoSeconds();
    this.#presses.add(press);
    return disposable(() => {
      this.cpuNanoSeconds();
      this.#presses.delete(press);
    });
  }

  memory(): MemoryStats {
    const own = Math.min(ownMemoryBytes, this.#memoryBytes / 16);
    const workingSetBytes = own + this.#sum(({ memoryBytes = 0 }) => memoryBytes);
    return { capacityBytes: this.#memoryBytes, workingSetBytes: Math.min(this.#memoryBytes, workingSetBytes) };
  }

  nodeFs(): FsStats {
    const free = [...this.#presses].map(({ diskFreePercent = Infinity }) => (nodeDiskBytes * diskFreePercent) / 100);
    const availableBytes = Math.round(Math.min(diskBytes * (1 - diskUsedShare), ...free));
    const usedBytes = diskBytes - availableBytes;
    return { capacityBytes: diskBytes, availableBytes, usedBytes, inodes, inodesFree: inodes - 50_000 };
  }

  imageFs(): FsStats {
    return this.nodeFs();
  }

  processes(): { readonly running: number; readonly max: number } {
    return { running: ownProcesses + this.#sum(({ processes = 0 }) => processes), max: maxProcesses };
  }

  cpuNanoSeconds(): number {
    const nowMs = this.#clock.now();
    const cores = Math.min(this.#cpus, ownCores + this.#sum((press) => press.cores ?? 0));
    this.#cpuNanoSeconds += (nowMs - this.#countedMs) * 1e6 * cores;
    this.#countedMs = nowMs;
    return Math.round(this.#cpuNanoSeconds);
  }

  async diskUsage(path: string): Promise<number> {
    return this.#sizeOf(path);
  }

  #sizeOf(path: string): number {
    if (this.#files.exists(path) !== 'directory') return this.#files.readFile(path)?.byteLength ?? 0;
    return this.#files.list(path).reduce((sum, name) => sum + this.#sizeOf(`${path}/${name}`), 0);
  }

  #sum(of: (press: Press) => number): number {
    return [...this.#presses].reduce((sum, press) => sum + of(press), 0);
  }
}
