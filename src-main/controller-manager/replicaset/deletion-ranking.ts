import type { Pod } from '#api/gen/types';
import { isPodReady, readySinceMs } from '../pod-status.ts';

const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

interface Ranked {
  readonly pod: Pod;
  /** Related pods on the same node: the more, the sooner one of them goes. */
  readonly colocated: number;
}

/**
 * The `count` pods of `pods` that a replica set misses least: `controller.ActivePodsWithRanks` (release 1.36). In this
 * order: without a node, pending, not ready, lower deletion cost, more related pods on the node, ready for a shorter
 * time, more restarts, younger. Times are compared on a logarithmic scale, so that pods of about one age are equals.
 */
export function podsToDelete(
  pods: readonly Pod[],
  related: readonly Pod[],
  count: number,
  nowMs: number,
): readonly Pod[] {
  if (count >= pods.length) return pods;
  const perNode = new Map<string, number>();
  for (const { spec } of related) {
    if (spec.nodeName) perNode.set(spec.nodeName, (perNode.get(spec.nodeName) ?? 0) + 1);
  }
  return pods
    .map((pod): Ranked => ({ pod, colocated: perNode.get(pod.spec.nodeName ?? '') ?? 0 }))
    .sort((a, b) => compare(a, b, nowMs))
    .slice(0, count)
    .map(({ pod }) => pod);
}

function compare(a: Ranked, b: Ranked, nowMs: number): number {
  return (
    Number(!!a.pod.spec.nodeName) - Number(!!b.pod.spec.nodeName) ||
    phase(a.pod) - phase(b.pod) ||
    Number(isPodReady(a.pod)) - Number(isPodReady(b.pod)) ||
    deletionCost(a.pod) - deletionCost(b.pod) ||
    b.colocated - a.colocated ||
    ageRank(readySinceMs(a.pod), nowMs) - ageRank(readySinceMs(b.pod), nowMs) ||
    restarts(b.pod) - restarts(a.pod) ||
    ageRank(createdMs(a.pod), nowMs) - ageRank(createdMs(b.pod), nowMs) ||
    ((a.pod.metadata.uid ?? '') < (b.pod.metadata.uid ?? '') ? -1 : 1)
  );
}

function phase(pod: Pod): number {
  return phaseRank[pod.status?.phase ?? 'Pending'] ?? 0;
}

function deletionCost(pod: Pod): number {
  const cost = pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'];
  return cost !== undefined && /^-?\d+$/.test(cost) ? Number(cost) : 0;
}

function createdMs(pod: Pod): number | undefined {
  return pod.metadata.creationTimestamp ? Date.parse(pod.metadata.creationTimestamp) : undefined;
}

/** Halves of magnitude of an age in seconds: 0 for now and for never. */
function ageRank(sinceMs: number | undefined, nowMs: number): number {
  if (sinceMs === undefined || sinceMs >= nowMs) return 0;
  return 1 + Math.floor(Math.log2(Math.max(1, nowMs - sinceMs)));
}

/** The most restarts of one container. */
function restarts(pod: Pod): number {
  let most = 0;
  for (const { restartCount } of pod.status?.containerStatuses ?? []) most = Math.max(most, restartCount);
  return most;
}
