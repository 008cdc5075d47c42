import type { Pod } from '#api/gen/types';
import { maxScore, type FilterPlugin, type Rejection, type ScorePlugin } from '../framework.ts';
import type { NodeState } from '../node-state.ts';
import { podRequest, type Amounts } from '../requests.ts';

const firstResources = ['cpu', 'memory', 'ephemeral-storage'];

/**
 * kube-scheduler `plugins/noderesources` (Fit with the LeastAllocated strategy), release 1.36. Extended resources count
 * like the others; one that the node does not offer is missing entirely.
 */
export const nodeResourcesFit: FilterPlugin & ScorePlugin = {
  name: 'NodeResourcesFit',
  events: ['NodeAdd', 'NodeAllocatable', 'AssignedPodDelete', 'AssignedPodUpdate'],
  weight: 1,
  prepare: (pod) => {
    const { amounts } = podRequest(pod);
    return (state) => checkFit(amounts, state);
  },
  score: (pod, nodes) => {
    const { nonZero } = podRequest(pod);
    return nodes.map((state) => {
      const { cpu, memory } = state.nonZeroRequested;
      const free = [
        leastRequested(cpu + nonZero.cpu, state.allocatable('cpu')),
        leastRequested(memory + nonZero.memory, state.allocatable('memory')),
      ];
      return Math.floor(((free[0] ?? 0) + (free[1] ?? 0)) / 2);
    });
  },
};

function checkFit(amounts: Amounts, state: NodeState): Rejection | undefined {
  const reasons: string[] = [];
  let unresolvable = false;
  if (state.pods.size + 1 > state.allocatable('pods')) {
    reasons.push('Too many pods');
    unresolvable ||= state.allocatable('pods') === 0;
  }
  const others = [...amounts.keys()].filter((name) => !firstResources.includes(name));
  for (const name of [...firstResources, ...others]) {
    const amount = amounts.get(name) ?? 0;
    if (amount === 0) continue;
    if (amount <= state.allocatable(name) - state.requested(name)) continue;
    reasons.push(`Insufficient ${name}`);
    unresolvable ||= amount > state.allocatable(name);
  }
  return reasons.length > 0 ? { reasons, unresolvable } : undefined;
}

function leastRequested(requested: number, capacity: number): number {
  if (capacity === 0 || requested > capacity) return 0;
  return Math.floor(((capacity - requested) * maxScore) / capacity);
}

/** kube-scheduler `plugins/noderesources` (BalancedAllocation), release 1.36: CPU and memory used in the same proportion. */
export const nodeResourcesBalancedAllocation: ScorePlugin = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  score: (pod: Pod, nodes) => {
    const { amounts } = podRequest(pod);
    if (!amounts.get('cpu') && !amounts.get('memory')) return undefined;
    return nodes.map((state) => {
      const [cpu = 0, memory = 0] = ['cpu', 'memory'].map((name) => {
        const capacity = state.allocatable(name);
        return capacity === 0 ? 0 : Math.min(1, (state.requested(name) + (amounts.get(name) ?? 0)) / capacity);
      });
      // The standard deviation of two numbers is half their distance.
      return Math.floor((1 - Math.abs(cpu - memory) / 2) * maxScore);
    });
  },
};
