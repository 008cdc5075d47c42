import type { Node } from '#api/gen/types';
import { jsonEqual } from '#base/freeze';
import type { ClusterEvent } from './framework.ts';

/** What a change of a node may mean to waiting pods. Heartbeats and conditions mean nothing: taints speak for them. */
export function nodeEvents(before: Node | undefined, node: Node): readonly ClusterEvent[] {
  if (!before) return ['NodeAdd'];
  const events: ClusterEvent[] = [];
  if (!jsonEqual(before.status?.allocatable, node.status?.allocatable)) events.push('NodeAllocatable');
  if (!jsonEqual(before.metadata.labels, node.metadata.labels)) events.push('NodeLabel');
  const sameTaints = jsonEqual(before.spec.taints, node.spec.taints);
  if (!sameTaints || before.spec.unschedulable !== node.spec.unschedulable) events.push('NodeTaint');
  return events;
}
