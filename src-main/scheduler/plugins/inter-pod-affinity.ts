import type { Pod, PodAffinityTerm } from '#api/gen/types';
import { matchesLabelSelector } from '#client/label-selectors';
import { maxScore, type FilterPlugin, type Rejection, type ScorePlugin } from '../framework.ts';
import type { NodeState } from '../node-state.ts';

function refuse(reason: string, unresolvable = false): Rejection {
  return Object.freeze({ reasons: [reason], unresolvable });
}
const noAffinity = refuse("node(s) didn't match pod affinity rules", true);
const antiAffinity = refuse("node(s) didn't match pod anti-affinity rules");
const existingAntiAffinity = refuse("node(s) didn't satisfy existing pods anti-affinity rules");

/**
 * kube-scheduler `plugins/interpodaffinity`, release 1.36. Namespace selectors are left out: namespaces have to be listed
 * by name; an empty namespace selector (all namespaces) is understood.
 */
export const interPodAffinity: FilterPlugin & ScorePlugin = {
  name: 'InterPodAffinity',
  events: ['NodeAdd', 'NodeLabel', 'AssignedPodAdd', 'AssignedPodUpdate', 'AssignedPodDelete'],
  weight: 2,
  prepare: (pod, nodes) => {
    const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
    const wanted = podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const unwanted = podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const refusing = domainsRefusing(pod, nodes);
    if (wanted.length === 0 && unwanted.length === 0 && refusing.size === 0) return undefined;
    const near = wanted.map((term) => ({ term, domains: domainsWith(pod, term, nodes) }));
    const far = unwanted.map((term) => ({ term, domains: domainsWith(pod, term, nodes) }));
    // The first of a group that wants its own company has to go somewhere.
    const isFirst = near.every(({ term, domains }) => domains.size === 0 && selects(pod, term, pod));
    return (state) => {
      const has = ({ term, domains }: (typeof near)[number]): boolean => domains.has(domainOf(state, term.topologyKey));
      if (!near.every((each) => has(each) || (isFirst && domainOf(state, each.term.topologyKey) !== '')))
        return noAffinity;
      if (far.some(has)) return antiAffinity;
      for (const key of refusing.keys()) if (refusing.get(key)?.has(domainOf(state, key))) return existingAntiAffinity;
      return undefined;
    };
  },
  score: (pod, nodes) => {
    const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
    const wanted = podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const unwanted = podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    if (wanted.length === 0 && unwanted.length === 0) return undefined;
    const raw = nodes.map(() => 0);
    const weigh = (term: PodAffinityTerm, weight: number): void => {
      const counts = countByDomain(pod, term, nodes);
      nodes.forEach((state, i) => {
        raw[i] = (raw[i] ?? 0) + weight * (counts.get(domainOf(state, term.topologyKey)) ?? 0);
      });
    };
    for (const { podAffinityTerm, weight } of wanted) weigh(podAffinityTerm, weight);
    for (const { podAffinityTerm, weight } of unwanted) weigh(podAffinityTerm, -weight);
    const max = Math.max(...raw);
    const min = Math.min(...raw);
    return raw.map((value) => (max === min ? 0 : Math.floor((maxScore * (value - min)) / (max - min))));
  },
};

/** For each topology key the domains where a pod that is there already refuses `pod`. */
function domainsRefusing(pod: Pod, nodes: readonly NodeState[]): Map<string, Set<string>> {
  const refusing = new Map<string, Set<string>>();
  for (const state of nodes) {
    for (const other of state.podsWithAntiAffinity) {
      for (const term of other.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []) {
        const domain = domainOf(state, term.topologyKey);
        if (domain === '' || !selects(other, term, pod)) continue;
        const domains = refusing.get(term.topologyKey) ?? new Set<string>();
        refusing.set(term.topologyKey, domains.add(domain));
      }
    }
  }
  return refusing;
}

function domainsWith(pod: Pod, term: PodAffinityTerm, nodes: readonly NodeState[]): Set<string> {
  return new Set(countByDomain(pod, term, nodes).keys());
}

function countByDomain(pod: Pod, term: PodAffinityTerm, nodes: readonly NodeState[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const state of nodes) {
    const domain = domainOf(state, term.topologyKey);
    if (domain === '') continue;
    for (const other of state.pods.values()) {
      if (selects(pod, term, other)) counts.set(domain, (counts.get(domain) ?? 0) + 1);
    }
  }
  return counts;
}

/** Whether `term` of `owner` selects `other`. */
function selects(owner: Pod, term: PodAffinityTerm, other: Pod): boolean {
  const { namespace = '' } = other.metadata;
  const named = term.namespaces?.length ? term.namespaces.includes(namespace) : owner.metadata.namespace === namespace;
  const everywhere = term.namespaceSelector !== undefined && Object.keys(term.namespaceSelector).length === 0;
  return (named || everywhere) && matchesLabelSelector(term.labelSelector, other.metadata.labels);
}

/** Empty when the node has no such label. */
function domainOf(state: NodeState, topologyKey: string): string {
  return state.node?.metadata.labels?.[topologyKey] ?? '';
}
