/** One file system, in bytes. */
export interface FsStats {
  readonly capacityBytes: number;
  /** What processes without privileges may still write. */
  readonly availableBytes: number;
  readonly usedBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

export interface MemoryStats {
  readonly capacityBytes: number;
  /** Used and not given back under pressure. */
  readonly workingSetBytes: number;
}

/** What the machine a kubelet runs on is doing: the node's own figures, or the simulator's. Read anew by each call. */
export interface HostStats {
  memory(): MemoryStats;
  /** Where volumes and logs lie. */
  nodeFs(): FsStats;
  /** Where images lie. */
  imageFs(): FsStats;
  processes(): { readonly running: number; readonly max: number };
  /** CPU time used since the machine started, in nanoseconds. */
  cpuNanoSeconds(): number;
  /** Bytes that a folder takes on its disk; 0 when it is not there. */
  diskUsage(path: string): Promise<number>;
}
