import type { Pod } from '#api/gen/types';
import { quantityValue } from '#base/quantity';
import { podNeeds } from '../admission.ts';
import { allContainers, uidOf } from '../pod-facts.ts';

/** What a pod uses and asked for of the resource that runs out. */
export interface PodUsage {
  readonly used: number;
  readonly requested: number;
}

export function requestedOf(pod: Pod, resource: 'memory' | 'ephemeral-storage' | 'inodes' | 'pids'): number {
  if (resource === 'memory') return podNeeds(pod).memoryBytes;
  if (resource !== 'ephemeral-storage') return 0;
  return allContainers(pod).reduce(
    (sum, container) => sum + quantityValue(container.resources?.requests?.['ephemeral-storage'] ?? '0'),
    0,
  );
}

/**
 * Who goes first (pkg/kubelet/eviction/helpers.go, release 1.36): who uses more than was asked for, then the lower priority,
 * then who is furthest above what was asked for.
 */
export function rankForEviction(pods: readonly Pod[], usageOf: (uid: string) => PodUsage): readonly Pod[] {
  const facts = pods.map((pod) => {
    const { used, requested } = usageOf(uidOf(pod));
    return { pod, exceeds: used > requested, priority: pod.spec.priority ?? 0, above: used - requested };
  });
  facts.sort((a, b) => Number(b.exceeds) - Number(a.exceeds) || a.priority - b.priority || b.above - a.above);
  return facts.map(({ pod }) => pod);
}
