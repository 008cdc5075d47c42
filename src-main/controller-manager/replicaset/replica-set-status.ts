import type { Pod, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from '#api/gen/types';
import { formatTime } from '#base/clock';
import { messageOf } from '#base/errors';
import { isPodAvailable, isPodReady } from '../pod-status.ts';

export interface ReplicaSetObservation {
  readonly active: readonly Pod[];
  readonly terminating: number;
  /** Why pods could not be created or deleted in this sync. */
  readonly failure?: { readonly error: unknown; readonly during: 'create' | 'delete' };
  readonly nowMs: number;
}

/** `calculateStatus` of the replica set controller, release 1.36. Equal to the status before when nothing changed. */
export function calculateStatus(replicaSet: ReplicaSet, observed: ReplicaSetObservation): ReplicaSetStatus {
  const templateLabels = Object.entries(replicaSet.spec.template?.metadata?.labels ?? {});
  const minReadySeconds = replicaSet.spec.minReadySeconds ?? 0;
  let fullyLabeledReplicas = 0;
  let readyReplicas = 0;
  let availableReplicas = 0;
  for (const pod of observed.active) {
    if (templateLabels.every(([key, value]) => pod.metadata.labels?.[key] === value)) fullyLabeledReplicas++;
    if (!isPodReady(pod)) continue;
    readyReplicas++;
    if (isPodAvailable(pod, minReadySeconds, observed.nowMs)) availableReplicas++;
  }
  const conditions = failureConditions(replicaSet, observed);
  return {
    replicas: observed.active.length,
    ...(fullyLabeledReplicas > 0 ? { fullyLabeledReplicas } : {}),
    ...(readyReplicas > 0 ? { readyReplicas } : {}),
    ...(availableReplicas > 0 ? { availableReplicas } : {}),
    terminatingReplicas: observed.terminating,
    observedGeneration: replicaSet.metadata.generation ?? 0,
    ...(conditions.length > 0 ? { conditions } : {}),
  };
}

function failureConditions(
  replicaSet: ReplicaSet,
  { failure, nowMs }: ReplicaSetObservation,
): readonly ReplicaSetCondition[] {
  const others = (replicaSet.status?.conditions ?? []).filter(({ type }) => type !== 'ReplicaFailure');
  if (!failure) return others;
  const before = replicaSet.status?.conditions?.find(({ type }) => type === 'ReplicaFailure');
  const reason = failure.during === 'create' ? 'FailedCreate' : 'FailedDelete';
  if (before?.reason === reason) return replicaSet.status?.conditions ?? [];
  return [
    ...others,
    {
      type: 'ReplicaFailure',
      status: 'True',
      reason,
      message: messageOf(failure.error),
      lastTransitionTime: formatTime(nowMs),
    },
  ];
}
