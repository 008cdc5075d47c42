import type { NodeSelectorTerm, Pod } from '#api/gen/types';
import { matchesNodeSelectorTerm } from '#api/machinery/node-selectors';
import { matchesSet } from '#client/label-selectors';
import { normalize, type FilterPlugin, type ScorePlugin } from '../framework.ts';
import type { NodeState } from '../node-state.ts';

const rejection = Object.freeze({
  reasons: ["node(s) didn't match Pod's node affinity/selector"],
  unresolvable: true,
});

/** kube-scheduler `plugins/nodeaffinity`, release 1.36: nodeSelector, required and preferred node affinity. */
export const nodeAffinity: FilterPlugin & ScorePlugin = {
  name: 'NodeAffinity',
  events: ['NodeAdd', 'NodeLabel'],
  weight: 2,
  prepare: (pod) => {
    const { nodeSelector, affinity } = pod.spec;
    const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    if (!nodeSelector && !required) return undefined;
    return (state) => (matchesRequiredNodeAffinity(pod, state) ? undefined : rejection);
  },
  score: (pod, nodes) => {
    const preferred = pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution;
    if (!preferred?.length) return undefined;
    const raw = nodes.map((state) =>
      preferred.reduce((sum, { preference, weight }) => sum + (matchesTerm(preference, state) ? weight : 0), 0),
    );
    return normalize(raw, false);
  },
};

/** Whether the node selector and the required node affinity of `pod` allow the node. */
export function matchesRequiredNodeAffinity(pod: Pod, state: NodeState): boolean {
  const { nodeSelector, affinity } = pod.spec;
  if (nodeSelector && !matchesSet(nodeSelector, state.node?.metadata.labels)) return false;
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || required.nodeSelectorTerms.some((term) => matchesTerm(term, state));
}

function matchesTerm(term: NodeSelectorTerm, { name, node }: NodeState): boolean {
  return matchesNodeSelectorTerm(term, { name, labels: node?.metadata.labels });
}
