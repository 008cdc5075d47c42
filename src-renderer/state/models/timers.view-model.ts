import type { Node, Pod } from '#api/gen/types';
import { epochOf } from './time.view-model.ts';
import { isFinished } from './pod.view-model.ts';

/** Something that is being waited for on a node that is down, and the setting that says how long. */
export interface Timer {
  readonly id: string;
  readonly text: string;
  /** Name and value of the setting. */
  readonly setting: string;
  /** Undefined: it waits for something other than time. */
  readonly leftMs: number | undefined;
  /** What is left, 1 to 0; 1 when it does not wait for time. */
  readonly fraction: number;
  readonly why?: string;
}

export interface TimerInput {
  readonly node: Node;
  readonly pods: readonly Pod[];
  readonly ownerName: (pod: Pod) => string;
  /** When the kubelet last renewed its lease. */
  readonly leaseRenewedMs: number | undefined;
  readonly monitorGraceMs: number;
  readonly nowMs: number;
}

const unreachableKeys = ['node.kubernetes.io/unreachable', 'node.kubernetes.io/not-ready'];

/** node-lifecycle (kube-controller-manager, release 1.36): grace period first, then each pod's toleration of the taint. */
export function nodeTimers(input: TimerInput): readonly Timer[] {
  const taint = input.node.spec?.taints?.find((one) => one.effect === 'NoExecute' && unreachableKeys.includes(one.key));
  const ready = input.node.status?.conditions?.find((one) => one.type === 'Ready')?.status === 'True';
  const stuck = stuckTimers(input);
  if (ready || !taint) return ready ? [...graceTimer(input), ...stuck] : stuck;
  const addedMs = epochOf(taint.timeAdded) ?? input.nowMs;
  return [...evictionTimers(input, taint.key, addedMs), ...stuck];
}

function graceTimer({ leaseRenewedMs, monitorGraceMs, nowMs }: TimerInput): readonly Timer[] {
  if (leaseRenewedMs === undefined) return [];
  const leftMs = Math.max(0, leaseRenewedMs + monitorGraceMs - nowMs);
  const setting = `node-monitor-grace-period ${monitorGraceMs / 1000}s`;
  return [
    { id: 'grace', text: 'NotReady, unless the lease is renewed', setting, leftMs, fraction: leftMs / monitorGraceMs },
  ];
}

/** One timer for all pods that are evicted at the same time. */
function evictionTimers(input: TimerInput, key: string, addedMs: number): readonly Timer[] {
  const groups = new Map<number | undefined, Set<string>>();
  for (const pod of input.pods) {
    if (isFinished(pod) || pod.metadata?.deletionTimestamp) continue;
    const seconds = tolerationSeconds(pod, key);
    const names = groups.get(seconds) ?? new Set();
    groups.set(seconds, names.add(input.ownerName(pod)));
  }
  return [...groups].map(([seconds, names]) => {
    const who = namesOf([...names]);
    if (seconds === undefined)
      return {
        id: 'never',
        text: `${who} stay: they tolerate it for ever`,
        setting: key,
        leftMs: undefined,
        fraction: 1,
      };
    const leftMs = Math.max(0, addedMs + seconds * 1000 - input.nowMs);
    const fraction = seconds > 0 ? leftMs / (seconds * 1000) : 0;
    return {
      id: `evict-${seconds}`,
      text: `Eviction of ${who}`,
      setting: `tolerationSeconds ${seconds}`,
      leftMs,
      fraction,
    };
  });
}

/** Pods already told to go, which nobody on the machine can confirm. */
function stuckTimers({ pods, ownerName }: TimerInput): readonly Timer[] {
  const going = pods.filter((pod) => pod.metadata?.deletionTimestamp && !isFinished(pod));
  if (going.length === 0) return [];
  const named = going.some((pod) => pod.metadata?.ownerReferences?.some((owner) => owner.kind === 'StatefulSet'));
  return [
    {
      id: 'stuck',
      text: `${namesOf([...new Set(going.map(ownerName))])} cannot finish terminating`,
      setting: 'waits for the kubelet',
      leftMs: undefined,
      fraction: 1,
      why: named
        ? 'A StatefulSet pod keeps its name: its successor may start only when the kubelet has confirmed that the old one ended.'
        : 'Only the kubelet of its node can confirm that a pod ended. Start the node, or remove it.',
    },
  ];
}

/** Seconds a pod tolerates the taint; undefined for ever; 0 not at all. */
export function tolerationSeconds(pod: Pod, key: string): number | undefined {
  const matching = (pod.spec?.tolerations ?? []).filter(
    (one) =>
      (one.key === key || (!one.key && one.operator === 'Exists')) && (!one.effect || one.effect === 'NoExecute'),
  );
  if (matching.length === 0) return 0;
  const limits = matching.flatMap((one) => (one.tolerationSeconds === undefined ? [] : [one.tolerationSeconds]));
  return limits.length === 0 ? undefined : Math.max(0, Math.min(...limits));
}

function namesOf(names: readonly string[]): string {
  const shown = names.slice(0, 3).join(', ');
  return names.length > 3 ? `${shown} and ${names.length - 3} more` : shown;
}
