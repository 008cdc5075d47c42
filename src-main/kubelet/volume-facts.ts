import type { Pod, Volume } from '#api/gen/types';
import { quantityValue } from '#base/quantity';
import { allContainers } from './pod-facts.ts';

/** What a pod's security and limits mean for its volumes. */

export function fsGroupOf(pod: Pod): number | undefined {
  return pod.spec.securityContext?.fsGroup;
}

/** The size of an emptyDir in memory: its own limit, the pod's, or the node's, whichever is least (pkg/volume/emptydir). */
export function memoryVolumeBytes(pod: Pod, source: NonNullable<Volume['emptyDir']>, nodeBytes: number): number {
  const limits = allContainers(pod).map((container) => quantityValue(container.resources?.limits?.['memory'] ?? '0'));
  const podBytes = limits.every((limit) => limit > 0) ? limits.reduce((sum, limit) => sum + limit, 0) : Infinity;
  const ownBytes = source.sizeLimit && source.sizeLimit !== '0' ? quantityValue(source.sizeLimit) : Infinity;
  return Math.min(nodeBytes, podBytes, ownBytes);
}

/**
 * Who may read a service account token (pkg/volume/projected, release 1.36): the pod's group, or the one user all its
 * containers run as, and nobody else; else whoever `mode` lets.
 */
export function tokenFileOwner(pod: Pod, mode: number): { readonly mode: number; readonly uid?: number } {
  const user = pod.spec.securityContext?.runAsUser;
  const users = new Set(allContainers(pod).map((container) => container.securityContext?.runAsUser ?? user));
  const [only] = users;
  if (fsGroupOf(pod) !== undefined)
    return { mode: 0o600, ...(users.size === 1 && only !== undefined ? { uid: only } : {}) };
  return users.size === 1 && only !== undefined ? { mode: 0o600, uid: only } : { mode };
}
