/**
 * Faults as `machines/faults.ts` has them, so that the renderer can name them: `host/lab-handlers.ts` hands one over as the
 * other, and does not compile when they differ.
 */
export type FaultSpec =
  /** The machine stops in order, loses power, freezes, or restarts. `restart` heals by itself. */
  | { readonly kind: 'node'; readonly node: string; readonly action: 'stop' | 'kill' | 'pause' | 'restart' }
  /** One program dies and is held down until healed. */
  | {
      readonly kind: 'process';
      readonly node: string;
      readonly process: 'kubelet' | 'kube-proxy' | 'containerd' | 'network';
    }
  /** Packets from `from` to `to`, and back unless `oneWay`, are dropped. `api` stands for the API server. */
  | { readonly kind: 'cut'; readonly from: string; readonly to: string; readonly oneWay?: boolean }
  /** Shapes what leaves `from` for `to` (every node when absent). */
  | {
      readonly kind: 'shape';
      readonly from: string;
      readonly to?: string;
      readonly latencyMs?: number;
      readonly lossPercent?: number;
      /** Kilobits (1000 bits) a second. */
      readonly rateKbit?: number;
    }
  /** Cluster DNS queries of the node's pods are dropped. */
  | { readonly kind: 'dns'; readonly node: string }
  /** The node has no more of its disk than `freePercent` of it (of 10 GiB, where the disk is bigger). */
  | { readonly kind: 'disk'; readonly node: string; readonly freePercent: number }
  | { readonly kind: 'memory'; readonly node: string; readonly bytes: number }
  | { readonly kind: 'cpu'; readonly node: string; readonly cores: number }
  | { readonly kind: 'pids'; readonly node: string; readonly count: number };

/** In `from` and `to` of a cut: the API server. */
export const apiEnd = 'api';

export interface Fault {
  /** `f-1`, unique in a lab. */
  readonly id: string;
  readonly spec: FaultSpec;
  /** What was healed is kept for a while, so that a person can read how it ended. */
  readonly state: 'applying' | 'active' | 'healing' | 'healed' | 'failed';
  /** One sentence for a person: what was done, or why it could not be. */
  readonly text: string;
  readonly sinceMs: number;
  /** When it heals by itself. */
  readonly expiresAtMs: number;
}
