import type { Node, Taint } from '#api/gen/types';
import { formatTime } from '#base/clock';
import { readyCondition } from './node-health.ts';

export const notReadyTaint = 'node.kubernetes.io/not-ready';
export const unreachableTaint = 'node.kubernetes.io/unreachable';

const pressureTaints: Readonly<Record<string, string>> = {
  MemoryPressure: 'node.kubernetes.io/memory-pressure',
  DiskPressure: 'node.kubernetes.io/disk-pressure',
  PIDPressure: 'node.kubernetes.io/pid-pressure',
  NetworkUnavailable: 'node.kubernetes.io/network-unavailable',
};
const unschedulableTaint = 'node.kubernetes.io/unschedulable';
const managedNoSchedule = [notReadyTaint, unreachableTaint, unschedulableTaint, ...Object.values(pressureTaints)];

/** The taint that evicts the pods of a node that is not Ready; undefined for a Ready one. */
export function evictionTaintKey(node: Node): string | undefined {
  const status = readyCondition(node)?.status;
  if (status === 'False') return notReadyTaint;
  return status === 'Unknown' ? unreachableTaint : undefined;
}

/**
 * The taints `node` should have: those this controller manages follow the conditions, all others stay (`doNoScheduleTaintingPass`
 * and `doNoExecuteTaintingPass` of kube-controller-manager `nodelifecycle`, release 1.36). `evict` says whether the
 * node's turn to lose its pods has come; undefined when the taint stays as it is.
 */
export function desiredTaints(node: Node, evict: boolean | undefined, nowMs: number): readonly Taint[] {
  const now = formatTime(nowMs);
  const existing = node.spec.taints ?? [];
  const noSchedule = noScheduleKeys(node);
  const evictKey = evictionTaintKey(node);
  const kept = existing.filter(({ key, effect }) => {
    if (effect === 'NoSchedule' && managedNoSchedule.includes(key)) return noSchedule.includes(key);
    if (effect !== 'NoExecute' || (key !== notReadyTaint && key !== unreachableTaint)) return true;
    return evict === undefined ? evictKey !== undefined : evict && key === evictKey;
  });
  const has = (key: string, effect: string): boolean =>
    kept.some((taint) => taint.key === key && taint.effect === effect);
  const added: Taint[] = [];
  for (const key of noSchedule) if (!has(key, 'NoSchedule')) added.push({ key, effect: 'NoSchedule', timeAdded: now });
  if (evict && evictKey && !has(evictKey, 'NoExecute'))
    added.push({ key: evictKey, effect: 'NoExecute', timeAdded: now });
  return added.length === 0 && kept.length === existing.length ? existing : [...kept, ...added];
}

function noScheduleKeys(node: Node): readonly string[] {
  const keys: string[] = [];
  const ready = evictionTaintKey(node);
  if (ready) keys.push(ready);
  for (const { type, status } of node.status?.conditions ?? []) {
    const key = pressureTaints[type];
    if (key && status === 'True') keys.push(key);
  }
  if (node.spec.unschedulable) keys.push(unschedulableTaint);
  return keys;
}
