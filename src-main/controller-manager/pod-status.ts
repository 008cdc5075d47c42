import type { Pod, PodCondition } from '#api/gen/types';

function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

export function isPodReady(pod: Pod): boolean {
  return podCondition(pod, 'Ready')?.status === 'True';
}

/** Milliseconds since the epoch of the change to Ready; undefined when the pod is not ready. */
export function readySinceMs(pod: Pod): number | undefined {
  const condition = podCondition(pod, 'Ready');
  if (condition?.status !== 'True') return undefined;
  return condition.lastTransitionTime ? Date.parse(condition.lastTransitionTime) : 0;
}

/** Ready for `minReadySeconds` at least (kubectl pkg `podutils.IsPodAvailable`, release 1.36). */
export function isPodAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  const since = readySinceMs(pod);
  return since !== undefined && (minReadySeconds === 0 || since + minReadySeconds * 1000 <= nowMs);
}

export function isPodTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

export function isPodFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

/** `controller.IsPodActive`, release 1.36: counts towards the wanted number of replicas. */
export function isPodActive(pod: Pod): boolean {
  return !isPodFinished(pod) && !isPodTerminating(pod);
}

/** When the next of `pods` becomes available, in milliseconds from now; undefined when none will by time alone. */
export function nextAvailabilityMs(pods: readonly Pod[], minReadySeconds: number, nowMs: number): number | undefined {
  if (minReadySeconds === 0) return undefined;
  let next: number | undefined;
  for (const pod of pods) {
    const since = readySinceMs(pod);
    if (since === undefined) continue;
    const left = since + minReadySeconds * 1000 - nowMs;
    if (left > 0 && (next === undefined || left < next)) next = left;
  }
  return next;
}

/** Oldest first; names break ties. */
export function byCreation(
  a: { readonly metadata: { readonly creationTimestamp?: string; readonly name?: string } },
  b: { readonly metadata: { readonly creationTimestamp?: string; readonly name?: string } },
): number {
  return (
    compareText(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
    compareText(a.metadata.name ?? '', b.metadata.name ?? '')
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
