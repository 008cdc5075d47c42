import type { Lease, Node, NodeCondition } from '#api/gen/types';
import { formatTime } from '#base/clock';
import { jsonEqual } from '#base/freeze';

/** kube-controller-manager defaults, release 1.36: `--node-monitor-grace-period` is 50 s since 1.32. */
export const gracePeriodMs = 50_000;
export const startupGracePeriodMs = 60_000;

/** What was last seen of a node, and when by our own clock: the node's clock is never compared with ours. */
export interface NodeHealth {
  readonly probeMs: number;
  readonly ready: NodeCondition | undefined;
  readonly renewTime: string | undefined;
}

/** Takes in what the node and its Lease say now; a change of either is a sign of life. */
export function observe(
  before: NodeHealth | undefined,
  node: Node,
  lease: Lease | undefined,
  nowMs: number,
): NodeHealth {
  const ready = readyCondition(node);
  const renewTime = lease?.spec.renewTime;
  if (!before) return { probeMs: nowMs, ready, renewTime };
  const beat = renewTime !== before.renewTime || ready?.lastHeartbeatTime !== before.ready?.lastHeartbeatTime;
  // What this controller wrote itself (Unknown) is no sign of life.
  const reported = ready?.status !== 'Unknown' && !jsonEqual(ready, before.ready);
  return { probeMs: beat || reported ? nowMs : before.probeMs, ready, renewTime };
}

/** Milliseconds until the node counts as silent; 0 or less when it does. */
export function graceLeftMs(health: NodeHealth, nowMs: number): number {
  const graceMs = health.ready ? gracePeriodMs : startupGracePeriodMs;
  return health.probeMs + graceMs - nowMs;
}

const judged = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure'];

/** The conditions of a silent node: what it used to report is unknown (`tryUpdateNodeHealth`, release 1.36). */
export function unknownConditions(node: Node, nowMs: number): readonly NodeCondition[] {
  const now = formatTime(nowMs);
  const conditions = (node.status?.conditions ?? []).map((condition) => {
    if (!judged.includes(condition.type) || condition.status === 'Unknown') return condition;
    return {
      ...condition,
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: now,
    };
  });
  const missing = judged.filter((type) => !conditions.some((condition) => condition.type === type));
  const never = missing.map((type) => ({
    type,
    status: 'Unknown',
    reason: 'NodeStatusNeverUpdated',
    message: 'Kubelet never posted node status.',
    lastHeartbeatTime: node.metadata.creationTimestamp ?? now,
    lastTransitionTime: now,
  }));
  return [...conditions, ...never];
}

export function readyCondition(node: Node): NodeCondition | undefined {
  return node.status?.conditions?.find(({ type }) => type === 'Ready');
}
