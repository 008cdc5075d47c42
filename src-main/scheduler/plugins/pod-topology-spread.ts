import type { Pod, TopologySpreadConstraint } from '#api/gen/types';
import { matchesLabelSelector } from '#client/label-selectors';
import { controllerOf } from '#client/owner-references';
import { tolerates } from '#client/taints';
import { maxScore, type FilterPlugin, type Rejection, type ScorePlugin } from '../framework.ts';
import type { NodeState } from '../node-state.ts';
import { matchesRequiredNodeAffinity } from './node-affinity.ts';

const hostname = 'kubernetes.io/hostname';
const mismatch: Rejection = Object.freeze({
  reasons: ["node(s) didn't match pod topology spread constraints"],
  unresolvable: false,
});
const missingLabel: Rejection = Object.freeze({
  reasons: ["node(s) didn't match pod topology spread constraints (missing required label)"],
  unresolvable: true,
});

interface Constraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  /** Pods on a node that count against the constraint. */
  readonly countOn: (state: NodeState) => number;
  readonly source: TopologySpreadConstraint | undefined;
}

/**
 * kube-scheduler `plugins/podtopologyspread`, release 1.36. Pods of a ReplicaSet, StatefulSet or ReplicationController
 * without constraints of their own are spread by the system's defaults; upstream finds their mates by the selectors of
 * those owners and of Services, here it is the owner itself that counts.
 */
export const podTopologySpread: FilterPlugin & ScorePlugin = {
  name: 'PodTopologySpread',
  events: [
    'NodeAdd',
    'NodeDelete',
    'NodeLabel',
    'NodeTaint',
    'AssignedPodAdd',
    'AssignedPodUpdate',
    'AssignedPodDelete',
  ],
  weight: 2,
  prepare: (pod, nodes) => {
    const constraints = ownConstraints(pod, 'DoNotSchedule');
    if (constraints.length === 0) return undefined;
    const checks = constraints.map((constraint) => prepareConstraint(pod, nodes, constraint));
    return (state) => {
      for (const check of checks) {
        const rejection = check(state);
        if (rejection) return rejection;
      }
      return undefined;
    };
  },
  score: (pod, nodes) => {
    const own = ownConstraints(pod, 'ScheduleAnyway');
    const constraints = own.length > 0 ? own : defaultConstraints(pod);
    if (constraints.length === 0) return undefined;
    return spreadScores(nodes, constraints);
  },
};

function ownConstraints(pod: Pod, whenUnsatisfiable: string): readonly Constraint[] {
  return (pod.spec.topologySpreadConstraints ?? [])
    .filter((source) => source.whenUnsatisfiable === whenUnsatisfiable)
    .map((source) => ({
      topologyKey: source.topologyKey,
      maxSkew: source.maxSkew,
      countOn: (state) => countMatching(pod, state, source),
      source,
    }));
}

function defaultConstraints(pod: Pod): readonly Constraint[] {
  const owner = controllerOf(pod);
  const spreads = ['ReplicaSet', 'StatefulSet', 'ReplicationController'];
  if (!owner || !spreads.includes(owner.kind) || pod.spec.topologySpreadConstraints?.length) return [];
  const countOn = (state: NodeState): number => state.countOfController(owner.uid);
  return [
    { topologyKey: hostname, maxSkew: 3, countOn, source: undefined },
    { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 5, countOn, source: undefined },
  ];
}

function countMatching(pod: Pod, state: NodeState, source: TopologySpreadConstraint): number {
  const extra = (source.matchLabelKeys ?? []).flatMap((key) => {
    const value = pod.metadata.labels?.[key];
    return value === undefined ? [] : [{ key, operator: 'In', values: [value] }];
  });
  const base = source.labelSelector ?? {};
  const selector = { ...base, matchExpressions: [...(base.matchExpressions ?? []), ...extra] };
  let count = 0;
  for (const other of state.pods.values()) {
    if (other.metadata.namespace !== pod.metadata.namespace || other.metadata.deletionTimestamp) continue;
    if (source.labelSelector && matchesLabelSelector(selector, other.metadata.labels)) count++;
  }
  return count;
}

function prepareConstraint(
  pod: Pod,
  nodes: readonly NodeState[],
  constraint: Constraint,
): (state: NodeState) => Rejection | undefined {
  const { topologyKey, maxSkew, countOn, source } = constraint;
  const counts = new Map<string, number>();
  for (const state of nodes) {
    const domain = domainOf(state, topologyKey);
    if (domain === undefined || !isIncluded(pod, state, source)) continue;
    counts.set(domain, (counts.get(domain) ?? 0) + countOn(state));
  }
  const enoughDomains = counts.size >= (source?.minDomains ?? 1);
  const least = enoughDomains && counts.size > 0 ? Math.min(...counts.values()) : 0;
  const self = matchesLabelSelector(source?.labelSelector, pod.metadata.labels) ? 1 : 0;
  return (state) => {
    const domain = domainOf(state, topologyKey);
    if (domain === undefined) return missingLabel;
    return (counts.get(domain) ?? 0) + self - least > maxSkew ? mismatch : undefined;
  };
}

/** Whether a node's pods count, by the constraint's node inclusion policies. */
function isIncluded(pod: Pod, state: NodeState, source: TopologySpreadConstraint | undefined): boolean {
  if (source?.nodeAffinityPolicy !== 'Ignore' && !matchesRequiredNodeAffinity(pod, state)) return false;
  if (source?.nodeTaintsPolicy !== 'Honor') return true;
  const blocking = (state.node?.spec.taints ?? []).filter((taint) => taint.effect !== 'PreferNoSchedule');
  return blocking.every((taint) => tolerates(pod.spec.tolerations, taint));
}

function spreadScores(nodes: readonly NodeState[], constraints: readonly Constraint[]): readonly number[] {
  const raw = nodes.map(() => 0);
  for (const { topologyKey, maxSkew, countOn } of constraints) {
    const counts = new Map<string, number>();
    for (const state of nodes) {
      const domain = domainOf(state, topologyKey);
      if (domain !== undefined) counts.set(domain, (counts.get(domain) ?? 0) + countOn(state));
    }
    // More domains hold fewer pods each: the weight makes constraints of different width comparable.
    const weight = Math.log(counts.size + 2);
    nodes.forEach((state, i) => {
      const domain = domainOf(state, topologyKey);
      if (domain !== undefined) raw[i] = (raw[i] ?? 0) + (counts.get(domain) ?? 0) * weight + (maxSkew - 1);
    });
  }
  const rounded = raw.map(Math.round);
  const max = Math.max(...rounded);
  const min = Math.min(...rounded);
  return rounded.map((value) => (max === 0 ? maxScore : Math.floor((maxScore * (max + min - value)) / max)));
}

function domainOf(state: NodeState, topologyKey: string): string | undefined {
  return state.node?.metadata.labels?.[topologyKey] ?? (topologyKey === hostname ? state.name : undefined);
}
