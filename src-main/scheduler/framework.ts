import type { Pod } from '#api/gen/types';
import type { NodeState } from './node-state.ts';

/** Changes in the cluster that may let a waiting pod in. */
export type ClusterEvent =
  | 'NodeAdd'
  | 'NodeDelete'
  | 'NodeAllocatable'
  | 'NodeLabel'
  | 'NodeTaint'
  | 'AssignedPodAdd'
  | 'AssignedPodUpdate'
  | 'AssignedPodDelete';

/** Why a node was refused. */
export interface Rejection {
  /** Upstream's texts; several when several things are missing. */
  readonly reasons: readonly string[];
  /** No pod leaving the node would help. */
  readonly unresolvable: boolean;
}

/** `framework.FilterPlugin` with its `PreFilter`, release 1.36. */
export interface FilterPlugin {
  readonly name: string;
  /** What may turn a rejection into a fit. */
  readonly events: readonly ClusterEvent[];
  /** Looks at `pod` and all nodes once; returns the check to run on each node, or undefined when nothing can be refused. */
  prepare(pod: Pod, nodes: readonly NodeState[]): ((node: NodeState) => Rejection | undefined) | undefined;
}

/** `framework.ScorePlugin` with `PreScore` and `NormalizeScore`, release 1.36. */
export interface ScorePlugin {
  readonly name: string;
  readonly weight: number;
  /** Scores from 0 to 100, one for each of `nodes`; undefined when the pod gives the plugin nothing to say. */
  score(pod: Pod, nodes: readonly NodeState[]): readonly number[] | undefined;
}

export const maxScore = 100;

/** Stretches raw scores to 0..100; `reverse` when less is better (`helper.DefaultNormalizeScore`, release 1.36). */
export function normalize(raw: readonly number[], reverse: boolean): readonly number[] {
  const max = Math.max(0, ...raw);
  if (max === 0) return raw.map(() => (reverse ? maxScore : 0));
  return raw.map((value) => {
    const scaled = Math.floor((value * maxScore) / max);
    return reverse ? maxScore - scaled : scaled;
  });
}

/** Why a pod is where it is, or is not: for people to read. */
export interface Decision {
  /** `namespace/name`. */
  readonly pod: string;
  readonly uid: string;
  readonly timeMs: number;
  readonly outcome: 'assigned' | 'unschedulable' | 'bindFailed';
  /** The chosen node, or the one nominated by preemption. */
  readonly node?: string;
  /** The text of the event. */
  readonly message: string;
  /** Nodes that passed every filter, best first. */
  readonly scores: readonly NodeScore[];
  readonly rejected: readonly NodeRejection[];
}

export interface NodeScore {
  readonly node: string;
  readonly total: number;
  /** Weighted score of each plugin. */
  readonly plugins: Readonly<Record<string, number>>;
}

export interface NodeRejection extends Rejection {
  readonly node: string;
  readonly plugin: string;
}
