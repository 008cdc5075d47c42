/**
 * Faults: what is broken on purpose. One interface for the three drivers. Every fault has an id, an expiry and a heal; it
 * is undone at `down`, at a restart, and when Drydock dies.
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
  /** Packets from `from` to `to`, and back unless `oneWay`, are dropped. {@link apiEnd} stands for the API server. */
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
  /** The node has no more of its disk than `freePercent` of it, see {@link nodeDiskBytes}. */
  | { readonly kind: 'disk'; readonly node: string; readonly freePercent: number }
  | { readonly kind: 'memory'; readonly node: string; readonly bytes: number }
  | { readonly kind: 'cpu'; readonly node: string; readonly cores: number }
  | { readonly kind: 'pids'; readonly node: string; readonly count: number };

/**
 * A share of a node's disk that is left is a share of at most this much, in bytes: nodes stand on the disk of a computer that
 * people use, so the kubelet's share (a tenth) is capped at 1 GiB, and 5 % must be below it however big that disk is.
 */
export const nodeDiskBytes = 10 * 1024 ** 3;

/** In `from` and `to` of a cut: the API server. */
export const apiEnd = 'api';

export type FaultState = 'applying' | 'active' | 'healing' | 'healed' | 'failed';

export interface Fault {
  /** `f-1`, unique in a lab. */
  readonly id: string;
  readonly spec: FaultSpec;
  readonly state: FaultState;
  /** One sentence for a person: what was done, or why it could not be. */
  readonly text: string;
  readonly sinceMs: number;
  /** When it heals by itself. */
  readonly expiresAtMs: number;
}

/**
 * The same as one machine is told to do it, with names resolved to addresses: what `node-agent fault` reads as JSON. Peers
 * are addresses or CIDRs, with a port where only one service is meant.
 */
export type NodeFault =
  | { readonly kind: 'process'; readonly process: string }
  | { readonly kind: 'cut'; readonly peers: readonly FaultPeer[]; readonly direction: 'both' | 'out' | 'in' }
  | {
      readonly kind: 'shape';
      /** Empty: everything that leaves the machine. */
      readonly peers: readonly FaultPeer[];
      readonly latencyMs?: number;
      readonly lossPercent?: number;
      readonly rateKbit?: number;
    }
  | { readonly kind: 'dns' }
  | { readonly kind: 'disk'; readonly freePercent: number }
  | { readonly kind: 'memory'; readonly bytes: number }
  | { readonly kind: 'cpu'; readonly cores: number }
  | { readonly kind: 'pids'; readonly count: number };

export interface FaultPeer {
  /** `10.1.2.3` or `10.244.1.0/24`. */
  readonly address: string;
  /** A TCP port of the peer's that packets go to, or, for `local`, one of this machine's that they come to. */
  readonly port?: number;
  readonly local?: boolean;
}

/** What `node-agent fault` says on its standard output, one JSON object a line. */
export type FaultReport =
  | { readonly state: 'active' | 'healed'; readonly text: string }
  | { readonly state: 'failed'; readonly code: 'UNSUPPORTED' | 'FAILED'; readonly text: string };
