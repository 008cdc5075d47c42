import type { Pod } from '#api/gen/types';
import type { Random } from '#base/random';
import type { SchedulerCache } from './cache.ts';
import type { ClusterEvent, FilterPlugin, NodeRejection, NodeScore, Rejection, ScorePlugin } from './framework.ts';
import type { NodeState } from './node-state.ts';

export interface Plugins {
  readonly filters: readonly FilterPlugin[];
  readonly scores: readonly ScorePlugin[];
}

export interface Placement {
  /** Undefined when no node is left over. */
  readonly node: NodeState | undefined;
  /** Best first. Empty when fewer than two nodes were left over: then nothing was scored. */
  readonly scores: readonly NodeScore[];
  readonly rejected: readonly NodeRejection[];
  /** Changes that may let the pod in after all. */
  readonly events: ReadonlySet<ClusterEvent>;
}

/** The check of one pod against any node: undefined when the node will do. */
export type NodeCheck = (node: NodeState) => (Rejection & { readonly plugin: string }) | undefined;

/** Everything that filters may need to know of the whole cluster is looked at here, once. */
export function prepareCheck(pod: Pod, nodes: readonly NodeState[], filters: readonly FilterPlugin[]): NodeCheck {
  const checks = filters.flatMap((plugin) => {
    const check = plugin.prepare(pod, nodes);
    return check ? [{ name: plugin.name, check }] : [];
  });
  return (node) => {
    for (const { name, check } of checks) {
      const rejection = check(node);
      if (rejection) return { ...rejection, plugin: name };
    }
    return undefined;
  };
}

/**
 * Finds the node for `pod` (`schedulePod`, release 1.36): those that every filter lets through, the best of them by the
 * weighted sum of the scores, and among equals one by lot. Runs to its end without giving way, so that what it looks at
 * does not change under it.
 */
export function placePod(pod: Pod, cache: SchedulerCache, plugins: Plugins, random: Random): Placement {
  const { nodes } = cache;
  const check = prepareCheck(pod, nodes, plugins.filters);
  const feasible: NodeState[] = [];
  const rejected: NodeRejection[] = [];
  for (const state of nodes) {
    const rejection = check(state) ?? checkBesideNominated(pod, state, cache, plugins);
    if (rejection) rejected.push({ node: state.name, ...rejection });
    else feasible.push(state);
  }
  const refusers = new Set(rejected.map(({ plugin }) => plugin));
  const events = new Set(plugins.filters.filter(({ name }) => refusers.has(name)).flatMap((plugin) => plugin.events));
  events.add('NodeAdd');
  if (feasible.length < 2) return { node: feasible[0], scores: [], rejected, events };
  const scores = scoreNodes(pod, feasible, plugins.scores);
  const best = scores.filter(({ total }) => total === scores[0]?.total);
  const chosen = random.pick(best)?.node ?? '';
  return { node: cache.node(chosen), scores, rejected, events };
}

/** Room that preemption made for another pod is not free, although nobody is there yet. */
function checkBesideNominated(
  pod: Pod,
  state: NodeState,
  cache: SchedulerCache,
  plugins: Plugins,
): (Rejection & { plugin: string }) | undefined {
  const nominated = cache.nominatedOn(state.name, pod);
  if (nominated.length === 0) return undefined;
  const trial = state.clone();
  for (const other of nominated) trial.add(other);
  const nodes = cache.nodes.map((each) => (each === state ? trial : each));
  return prepareCheck(pod, nodes, plugins.filters)(trial);
}

function scoreNodes(pod: Pod, nodes: readonly NodeState[], plugins: readonly ScorePlugin[]): readonly NodeScore[] {
  const totals = nodes.map((state) => ({ node: state.name, total: 0, plugins: {} as Record<string, number> }));
  for (const { name, weight, score } of plugins) {
    const values = score(pod, nodes);
    if (!values) continue;
    totals.forEach((entry, i) => {
      const weighted = (values[i] ?? 0) * weight;
      entry.plugins[name] = weighted;
      entry.total += weighted;
    });
  }
  return totals.sort((a, b) => b.total - a.total || (a.node < b.node ? -1 : 1));
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` (`framework.FitError`, release 1.36) */
export function fitErrorMessage(nodeCount: number, rejections: readonly Rejection[]): string {
  const counts = new Map<string, number>();
  for (const { reasons } of rejections) {
    for (const reason of reasons) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  const lines = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  const list = lines.length > 0 ? ` ${lines.join(', ')}.` : '';
  return `0/${nodeCount} nodes are available:${list}`;
}
