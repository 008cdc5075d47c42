import type { Deployment, ReplicaSet } from '#api/gen/types';
import { scaledValue } from '../int-or-percent.ts';
import { byCreation } from '../pod-status.ts';
import { maxReplicasAnnotation } from './revision.ts';

/** The arithmetic of `deployment/rolling.go` and `deployment/util` (kube-controller-manager, release 1.36); no I/O. */

export function replicasOf(object: { readonly spec: { readonly replicas?: number } }): number {
  return object.spec.replicas ?? 1;
}

function availableOf({ status }: ReplicaSet): number {
  return status?.availableReplicas ?? 0;
}

export function totalReplicas(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, replicaSet) => sum + replicasOf(replicaSet), 0);
}

export function totalAvailable(replicaSets: readonly ReplicaSet[]): number {
  return replicaSets.reduce((sum, replicaSet) => sum + availableOf(replicaSet), 0);
}

export function isRollingUpdate({ spec }: Deployment): boolean {
  return spec.strategy?.type !== 'Recreate';
}

/** Pods above the wanted number that an update may run for a while. */
export function maxSurge(deployment: Deployment): number {
  if (!isRollingUpdate(deployment)) return 0;
  return scaledValue(
    deployment.spec.strategy?.rollingUpdate?.maxSurge,
    replicasOf(deployment),
    'up',
    defaultShare(deployment, 'up'),
  );
}

/** Pods below the wanted number that an update may miss for a while; 1 when both bounds come out as 0. */
export function maxUnavailable(deployment: Deployment): number {
  const replicas = replicasOf(deployment);
  if (!isRollingUpdate(deployment) || replicas === 0) return 0;
  const asked = deployment.spec.strategy?.rollingUpdate?.maxUnavailable;
  const unavailable = scaledValue(asked, replicas, 'down', defaultShare(deployment, 'down'));
  if (unavailable === 0 && maxSurge(deployment) === 0) return 1;
  return Math.min(unavailable, replicas);
}

/** The API server's default of 25%, for objects that were stored without it. */
function defaultShare(deployment: Deployment, round: 'up' | 'down'): number {
  return scaledValue('25%', replicasOf(deployment), round);
}

/** How many replicas the new replica set may have now (`NewRSNewReplicas`). */
export function newReplicaSetSize(deployment: Deployment, all: readonly ReplicaSet[], newReplicas: number): number {
  const wanted = replicasOf(deployment);
  if (!isRollingUpdate(deployment)) return wanted;
  const room = wanted + maxSurge(deployment) - totalReplicas(all);
  if (room <= 0) return newReplicas;
  return newReplicas + Math.min(room, wanted - newReplicas);
}

export interface Scaling {
  readonly replicaSet: ReplicaSet;
  readonly size: number;
}

/**
 * The next sizes of the old replica sets (`reconcileOldReplicaSets`). Pods of old replica sets that do not work anyway go
 * first and cost nothing; then as many working ones as the deployment can miss, oldest replica set first.
 */
export function shrinkOldReplicaSets(
  deployment: Deployment,
  old: readonly ReplicaSet[],
  current: ReplicaSet,
): readonly Scaling[] {
  const all = [...old, current];
  const minAvailable = replicasOf(deployment) - maxUnavailable(deployment);
  const newUnavailable = replicasOf(current) - availableOf(current);
  const mayGo = totalReplicas(all) - minAvailable - newUnavailable;
  if (totalReplicas(old) === 0 || mayGo <= 0) return [];
  const sizes = new Map<ReplicaSet, number>();
  const oldest = [...old].sort(byCreation);
  dropUnhealthy(oldest, mayGo, sizes);
  dropAvailable(oldest, totalAvailable(all) - minAvailable, sizes);
  return [...sizes].map(([replicaSet, size]) => ({ replicaSet, size }));
}

function dropUnhealthy(oldest: readonly ReplicaSet[], mayGo: number, sizes: Map<ReplicaSet, number>): void {
  let left = mayGo;
  for (const replicaSet of oldest) {
    const size = replicasOf(replicaSet);
    const drop = Math.min(left, size - availableOf(replicaSet));
    if (drop <= 0) continue;
    sizes.set(replicaSet, size - drop);
    left -= drop;
  }
}

function dropAvailable(oldest: readonly ReplicaSet[], mayGo: number, sizes: Map<ReplicaSet, number>): void {
  let left = mayGo;
  for (const replicaSet of oldest) {
    const size = sizes.get(replicaSet) ?? replicasOf(replicaSet);
    const drop = Math.min(left, size);
    if (drop <= 0) continue;
    sizes.set(replicaSet, size - drop);
    left -= drop;
  }
}

/** Whether the new replica set alone serves: it was meant for this size, has it, and all of it is available. */
export function isSaturated(
  deployment: Deployment,
  replicaSet: ReplicaSet | undefined,
  desired: number | undefined,
): boolean {
  if (!replicaSet || desired === undefined) return false;
  const wanted = replicasOf(deployment);
  return replicasOf(replicaSet) === wanted && desired === wanted && availableOf(replicaSet) === wanted;
}

/**
 * Spreads a change of the deployment's size over replica sets in the middle of an update in proportion to their sizes
 * (`scale` with `GetReplicaSetProportion`), so that an update with a bad image does not grow more than the good one. What
 * rounding leaves over goes to the largest.
 */
export function proportionalSizes(deployment: Deployment, active: readonly ReplicaSet[]): readonly Scaling[] {
  const wanted = replicasOf(deployment);
  const allowed = wanted > 0 ? wanted + maxSurge(deployment) : 0;
  const toAdd = allowed - totalReplicas(active);
  const newestFirst = toAdd > 0 ? -1 : 1;
  const largest = [...active].sort((a, b) => replicasOf(b) - replicasOf(a) || newestFirst * byCreation(a, b));
  let added = 0;
  const shares = largest.map((replicaSet) => {
    const share = toAdd === 0 ? 0 : proportion(deployment, replicaSet, toAdd - added);
    added += share;
    return { replicaSet, size: replicasOf(replicaSet) + share };
  });
  return shares.map(({ replicaSet, size }, i) => ({
    replicaSet,
    size: i === 0 && toAdd !== 0 ? Math.max(0, size + toAdd - added) : size,
  }));
}

function proportion(deployment: Deployment, replicaSet: ReplicaSet, left: number): number {
  const size = replicasOf(replicaSet);
  if (size === 0 || left === 0) return 0;
  const fraction = sizeFraction(deployment, replicaSet);
  return left > 0 ? Math.min(fraction, left) : Math.max(fraction, left);
}

/** How much the replica set must grow (or shrink, below 0) to keep its share of the deployment. */
function sizeFraction(deployment: Deployment, replicaSet: ReplicaSet): number {
  const wanted = replicasOf(deployment);
  const size = replicasOf(replicaSet);
  if (wanted === 0) return -size;
  const annotated = Number(replicaSet.metadata.annotations?.[maxReplicasAnnotation] ?? 0);
  const before = annotated > 0 ? annotated : (deployment.status?.replicas ?? 0);
  if (before === 0) return 0;
  return Math.round((size * (wanted + maxSurge(deployment))) / before) - size;
}
