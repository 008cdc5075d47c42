import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '#api/gen/types';
import { formatTime } from '#base/clock';
import { maxUnavailable, replicasOf, totalAvailable, totalReplicas } from './rolling-update.ts';

/** Reasons of the Progressing condition (`deployment/util`, release 1.36). */
export const reasons = {
  newReplicaSetCreated: 'NewReplicaSetCreated',
  foundNewReplicaSet: 'FoundNewReplicaSet',
  replicaSetUpdated: 'ReplicaSetUpdated',
  newReplicaSetAvailable: 'NewReplicaSetAvailable',
  timedOut: 'ProgressDeadlineExceeded',
  paused: 'DeploymentPaused',
  resumed: 'DeploymentResumed',
  createFailed: 'ReplicaSetCreateError',
} as const;

type Conditions = readonly DeploymentCondition[] | undefined;

/** The API server stores the largest int32 for "no deadline". */
export function hasProgressDeadline({ spec }: Deployment): boolean {
  return spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds !== 2 ** 31 - 1;
}

export function condition(conditions: Conditions, type: string): DeploymentCondition | undefined {
  return conditions?.find((each) => each.type === type);
}

export function newCondition(
  nowMs: number,
  type: string,
  status: string,
  reason: string,
  message: string,
): DeploymentCondition {
  const now = formatTime(nowMs);
  return { type, status, lastUpdateTime: now, lastTransitionTime: now, reason, message };
}

/** Nothing happens when status and reason stay; the transition time stays with the status. */
export function withCondition(conditions: Conditions, next: DeploymentCondition): readonly DeploymentCondition[] {
  const before = condition(conditions, next.type);
  if (before?.status === next.status && before.reason === next.reason) return conditions ?? [];
  const kept = before?.status === next.status && before.lastTransitionTime !== undefined;
  return [
    ...withoutCondition(conditions, next.type),
    kept ? { ...next, lastTransitionTime: before.lastTransitionTime } : next,
  ];
}

function withoutCondition(conditions: Conditions, type: string): readonly DeploymentCondition[] {
  return (conditions ?? []).filter((each) => each.type !== type);
}

function sum(replicaSets: readonly ReplicaSet[], field: 'replicas' | 'readyReplicas' | 'terminatingReplicas'): number {
  return replicaSets.reduce((total, { status }) => total + (status?.[field] ?? 0), 0);
}

/** `calculateStatus` of the deployment controller, release 1.36, with the Available condition brought up to date. */
export function calculateStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  nowMs: number,
): DeploymentStatus {
  const available = totalAvailable(all);
  const replicas = sum(all, 'replicas');
  const readyReplicas = sum(all, 'readyReplicas');
  const unavailable = Math.max(0, totalReplicas(all) - available);
  const updatedReplicas = current?.status?.replicas ?? 0;
  const { collisionCount, conditions } = deployment.status ?? {};
  const enough = available >= replicasOf(deployment) - maxUnavailable(deployment);
  const availability = enough
    ? newCondition(nowMs, 'Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.')
    : newCondition(
        nowMs,
        'Available',
        'False',
        'MinimumReplicasUnavailable',
        'Deployment does not have minimum availability.',
      );
  return {
    ...(collisionCount === undefined ? {} : { collisionCount }),
    observedGeneration: deployment.metadata.generation ?? 0,
    ...(replicas > 0 ? { replicas } : {}),
    ...(updatedReplicas > 0 ? { updatedReplicas } : {}),
    ...(readyReplicas > 0 ? { readyReplicas } : {}),
    ...(available > 0 ? { availableReplicas: available } : {}),
    ...(unavailable > 0 ? { unavailableReplicas: unavailable } : {}),
    terminatingReplicas: sum(all, 'terminatingReplicas'),
    conditions: withCondition(conditions, availability),
  };
}

/** All wanted pods are new and available, and no old ones are left. */
export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = replicasOf(deployment);
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

function isProgressing(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus): number => (status.replicas ?? 0) - (status.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  );
}

function isTimedOut(deployment: Deployment, status: DeploymentStatus, nowMs: number): boolean {
  const progressing = condition(status.conditions, 'Progressing');
  if (!progressing || progressing.reason === reasons.newReplicaSetAvailable) return false;
  if (progressing.reason === reasons.timedOut) return true;
  return deadlineMs(deployment, progressing) < nowMs;
}

/** When a rollout without further progress counts as stuck, in milliseconds since the epoch. */
export function deadlineMs({ spec }: Deployment, progressing: DeploymentCondition): number {
  return Date.parse(progressing.lastUpdateTime ?? '') + (spec.progressDeadlineSeconds ?? 600) * 1000;
}

/** The status of a deployment that is being rolled out (`syncRolloutStatus`, release 1.36). */
export function rolloutStatus(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  nowMs: number,
): DeploymentStatus {
  const status = calculateStatus(deployment, all, current, nowMs);
  let conditions = status.conditions ?? [];
  if (!hasProgressDeadline(deployment)) conditions = withoutCondition(conditions, 'Progressing');
  const done =
    (status.replicas ?? 0) === (status.updatedReplicas ?? 0) &&
    condition(conditions, 'Progressing')?.reason === reasons.newReplicaSetAvailable;
  if (hasProgressDeadline(deployment) && !done) {
    conditions = progressConditions(deployment, { ...status, conditions }, current, nowMs);
  }
  const failure = [...(current ? [current] : []), ...all]
    .flatMap((replicaSet) => replicaSet.status?.conditions ?? [])
    .find(({ type }) => type === 'ReplicaFailure');
  conditions = failure
    ? withCondition(conditions, {
        ...newCondition(nowMs, 'ReplicaFailure', failure.status, failure.reason ?? '', failure.message ?? ''),
        lastTransitionTime: failure.lastTransitionTime ?? formatTime(nowMs),
      })
    : withoutCondition(conditions, 'ReplicaFailure');
  return { ...status, conditions };
}

function progressConditions(
  deployment: Deployment,
  status: DeploymentStatus,
  current: ReplicaSet | undefined,
  nowMs: number,
): readonly DeploymentCondition[] {
  const subject = current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  const progressing = (conditionStatus: string, reason: string, text: string): DeploymentCondition =>
    newCondition(nowMs, 'Progressing', conditionStatus, reason, `${subject} ${text}`);
  if (isComplete(deployment, status)) {
    const next = progressing('True', reasons.newReplicaSetAvailable, 'has successfully progressed.');
    return withCondition(status.conditions, next);
  }
  if (isProgressing(deployment.status ?? {}, status)) {
    const next = progressing('True', reasons.replicaSetUpdated, 'is progressing.');
    const before = condition(status.conditions, 'Progressing');
    // Replaced even when status and reason stay: each step of progress moves the deadline.
    const kept = before?.status === 'True' ? before.lastTransitionTime : undefined;
    return [...withoutCondition(status.conditions, 'Progressing'), kept ? { ...next, lastTransitionTime: kept } : next];
  }
  if (isTimedOut(deployment, status, nowMs)) {
    return withCondition(status.conditions, progressing('False', reasons.timedOut, 'has timed out progressing.'));
  }
  return status.conditions ?? [];
}
