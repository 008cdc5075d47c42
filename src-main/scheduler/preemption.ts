import type { Pod } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { fitErrorMessage, prepareCheck, type Placement, type Plugins } from './algorithm.ts';
import { priorityOf, type SchedulerCache } from './cache.ts';
import type { Rejection } from './framework.ts';
import type { NodeState } from './node-state.ts';

export interface PreemptionPlan {
  readonly nodeName: string;
  /** Most important last: they go in this order. */
  readonly victims: readonly Pod[];
}

/** What came of looking for pods that could make way: a plan, or the text of why there is none. */
export type PreemptionResult = { readonly plan: PreemptionPlan } | { readonly message: string };

const notHelpful: Rejection = { reasons: ['Preemption is not helpful for scheduling'], unresolvable: true };
const noVictims: Rejection = { reasons: ['No preemption victims found for incoming pod'], unresolvable: false };

/**
 * kube-scheduler `plugins/defaultpreemption`, release 1.36: on every node where it could help, the fewest less important
 * pods that would have to go; of those nodes the one where that hurts least. Disruption budgets are left out.
 */
export function planPreemption(
  pod: Pod,
  placement: Placement,
  cache: SchedulerCache,
  plugins: Plugins,
): PreemptionResult {
  if (pod.spec.preemptionPolicy === 'Never') return { message: 'not eligible due to preemptionPolicy=Never.' };
  if (waitsForVictims(pod, cache)) return { message: 'not eligible due to a terminating pod on the nominated node.' };
  const plans: PreemptionPlan[] = [];
  const failures: Rejection[] = [];
  for (const rejection of placement.rejected) {
    const state = cache.node(rejection.node);
    const found = rejection.unresolvable || !state ? notHelpful : selectVictims(pod, state, cache, plugins);
    if ('victims' in found) plans.push(found);
    else failures.push(found);
  }
  const [best] = plans.sort(hurtsLess);
  return best ? { plan: best } : { message: fitErrorMessage(cache.nodes.length, failures) };
}

function waitsForVictims(pod: Pod, cache: SchedulerCache): boolean {
  const nominated = pod.status?.nominatedNodeName;
  if (!nominated) return false;
  const pods = cache.node(nominated)?.pods.values() ?? [];
  return [...pods].some((other) => other.metadata.deletionTimestamp && priorityOf(other) < priorityOf(pod));
}

function selectVictims(
  pod: Pod,
  state: NodeState,
  cache: SchedulerCache,
  plugins: Plugins,
): PreemptionPlan | Rejection {
  const candidates = [...state.pods.values()].filter((other) => priorityOf(other) < priorityOf(pod));
  if (candidates.length === 0) return noVictims;
  const trial = state.clone();
  const nodes = cache.nodes.map((each) => (each === state ? trial : each));
  const fits = (): Rejection | undefined => prepareCheck(pod, nodes, plugins.filters)(trial);
  for (const candidate of candidates) trial.remove(objectKey(candidate));
  const rejection = fits();
  if (rejection) return rejection;
  // Whoever can stay stays, the most important and the oldest first.
  const victims: Pod[] = [];
  for (const candidate of candidates.sort(moreImportant)) {
    trial.add(candidate);
    if (!fits()) continue;
    trial.remove(objectKey(candidate));
    victims.push(candidate);
  }
  return { nodeName: state.name, victims: victims.reverse() };
}

function moreImportant(a: Pod, b: Pod): number {
  return priorityOf(b) - priorityOf(a) || startOf(a) - startOf(b);
}

function startOf(pod: Pod): number {
  return Date.parse(pod.status?.startTime ?? pod.metadata.creationTimestamp ?? '') || 0;
}

/** Lower most important victim, then lower sum, then fewer, then younger. */
function hurtsLess(a: PreemptionPlan, b: PreemptionPlan): number {
  const highest = ({ victims }: PreemptionPlan): number => Math.max(...victims.map(priorityOf));
  const sum = ({ victims }: PreemptionPlan): number => victims.reduce((total, victim) => total + priorityOf(victim), 0);
  const oldest = ({ victims }: PreemptionPlan): number => Math.min(...victims.map(startOf));
  return highest(a) - highest(b) || sum(a) - sum(b) || a.victims.length - b.victims.length || oldest(b) - oldest(a);
}
