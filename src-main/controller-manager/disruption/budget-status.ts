import type { Condition, Pod, PodDisruptionBudget, PodDisruptionBudgetStatus } from '#api/gen/types';
import { setCondition } from '#api/machinery/meta';
import { formatTime } from '#base/clock';
import { isPodReady } from '../pod-status.ts';
import type { ExpectedPods } from './expected-pods.ts';

/** How long an eviction that the API server granted may take to show as a deletion. */
const deletionTimeoutMs = 120_000;

/** Evictions that were granted and whose pods are still there. */
export interface DisruptedPods {
  /** When each was granted, by pod name. */
  readonly pending: Readonly<Record<string, string>>;
  /** Pods that should have been deleted by now and were not: they count as healthy again. */
  readonly overdue: readonly Pod[];
  /** Milliseconds from now until the next one is overdue. */
  readonly recheckMs: number | undefined;
}

/** `buildDisruptedPodMap` of the disruption controller, release 1.36. */
export function disruptedPods(budget: PodDisruptionBudget, pods: readonly Pod[], nowMs: number): DisruptedPods {
  const granted = budget.status?.disruptedPods ?? {};
  const pending: Record<string, string> = {};
  const overdue: Pod[] = [];
  let recheckMs: number | undefined;
  for (const pod of pods) {
    const { name = '', deletionTimestamp } = pod.metadata;
    const grantedAt = granted[name];
    if (grantedAt === undefined || deletionTimestamp) continue;
    const leftMs = Date.parse(grantedAt) + deletionTimeoutMs - nowMs;
    if (leftMs < 0) {
      overdue.push(pod);
      continue;
    }
    pending[name] = grantedAt;
    recheckMs = Math.min(recheckMs ?? Infinity, leftMs + 1);
  }
  return { pending, overdue, recheckMs };
}

/** The status of `budget` over `pods`: `updatePdbStatus` of the disruption controller, release 1.36. */
export function budgetStatus(
  budget: PodDisruptionBudget,
  pods: readonly Pod[],
  { expected, desiredHealthy }: ExpectedPods,
  pending: DisruptedPods['pending'],
  nowMs: number,
): PodDisruptionBudgetStatus {
  const healthy = pods.filter(
    (pod) => !pod.metadata.deletionTimestamp && pending[pod.metadata.name ?? ''] === undefined && isPodReady(pod),
  );
  const currentHealthy = healthy.length;
  // A budget over no pods allows nothing, so that the first pods are safe before this status is written again.
  const disruptionsAllowed = expected > 0 ? Math.max(0, currentHealthy - desiredHealthy) : 0;
  const observedGeneration = budget.metadata.generation ?? 0;
  const condition: Condition = {
    type: 'DisruptionAllowed',
    status: disruptionsAllowed > 0 ? 'True' : 'False',
    observedGeneration,
    lastTransitionTime: formatTime(nowMs),
    reason: disruptionsAllowed > 0 ? 'SufficientPods' : 'InsufficientPods',
    message: '',
  };
  return {
    observedGeneration,
    ...(Object.keys(pending).length > 0 ? { disruptedPods: pending } : {}),
    disruptionsAllowed,
    currentHealthy,
    desiredHealthy,
    expectedPods: expected,
    conditions: setCondition(budget.status?.conditions, condition),
  };
}

/** What the status says when it cannot be worked out: nothing may be disrupted (`failSafe`, release 1.36). */
export function failedStatus(budget: PodDisruptionBudget, message: string, nowMs: number): PodDisruptionBudgetStatus {
  const condition: Condition = {
    type: 'DisruptionAllowed',
    status: 'False',
    observedGeneration: budget.status?.observedGeneration ?? 0,
    lastTransitionTime: formatTime(nowMs),
    reason: 'SyncFailed',
    message,
  };
  return { ...budget.status, disruptionsAllowed: 0, conditions: setCondition(budget.status?.conditions, condition) };
}
