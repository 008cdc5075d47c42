import type { Pod, StatefulSet, StatefulSetStatus } from '#api/gen/types';
import { scaledValue } from '../int-or-percent.ts';
import { isPodAvailable, isPodFinished, isPodReady, isPodTerminating } from '../pod-status.ts';
import { ordinalOf, revisionLabel } from './stateful-pod.ts';

/** What one look at a StatefulSet rests on. */
export interface StatefulView {
  readonly set: StatefulSet;
  /** Every pod the set controls. */
  readonly pods: readonly Pod[];
  /** Names of ControllerRevisions. */
  readonly currentRevision: string;
  readonly updateRevision: string;
  readonly collisionCount: number | undefined;
  readonly nowMs: number;
}

export type StatefulStep =
  | { readonly do: 'create'; readonly ordinal: number; readonly revision: string }
  | { readonly do: 'delete'; readonly pod: Pod }
  /** The pod ended by itself and must make room for its successor. */
  | { readonly do: 'recreate'; readonly pod: Pod };

interface Slots {
  readonly start: number;
  /** By ordinal from `start`; undefined where no pod is. */
  readonly replicas: readonly (Pod | undefined)[];
  /** Pods beyond the wanted range, highest ordinal first. */
  readonly condemned: readonly Pod[];
}

/**
 * What to do next (kube-controller-manager `defaultStatefulSetControl.updateStatefulSet`, release 1.36). An ordered set
 * takes at most one step and waits until every pod before it is available; a parallel one takes all steps of its scale
 * at once. Updates go from the highest ordinal down, `maxUnavailable` pods at a time.
 */
export function planSteps(view: StatefulView): readonly StatefulStep[] {
  const { set } = view;
  if (set.metadata.deletionTimestamp) return [];
  const slots = slotsOf(view);
  const scale = set.spec.podManagementPolicy === 'Parallel' ? parallelScale(view, slots) : orderedScale(view, slots);
  if (scale === 'wait') return [];
  if (scale.length > 0) return scale;
  return planUpdate(view, slots);
}

function slotsOf({ set, pods }: StatefulView): Slots {
  const start = set.spec.ordinals?.start ?? 0;
  const count = set.spec.replicas ?? 1;
  const replicas: (Pod | undefined)[] = Array.from({ length: count }, () => undefined);
  const condemned: { readonly ordinal: number; readonly pod: Pod }[] = [];
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod);
    if (ordinal === undefined) continue;
    if (ordinal >= start && ordinal < start + count) replicas[ordinal - start] = pod;
    else condemned.push({ ordinal, pod });
  }
  condemned.sort((a, b) => b.ordinal - a.ordinal);
  return { start, replicas, condemned: condemned.map(({ pod }) => pod) };
}

function isRunningAndAvailable({ set, nowMs }: StatefulView, pod: Pod): boolean {
  return pod.status?.phase === 'Running' && isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);
}

function isHealthy(view: StatefulView, pod: Pod | undefined): boolean {
  return pod !== undefined && isRunningAndAvailable(view, pod) && !isPodTerminating(pod);
}

/** Below the partition the old revision is kept, also for pods that have to be made again. */
function revisionFor({ set, currentRevision, updateRevision }: StatefulView, ordinal: number): string {
  const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0;
  const start = set.spec.ordinals?.start ?? 0;
  const rolling = set.spec.updateStrategy?.type !== 'OnDelete';
  return rolling && ordinal < start + partition ? currentRevision : updateRevision;
}

function createStep(view: StatefulView, ordinal: number): StatefulStep {
  return { do: 'create', ordinal, revision: revisionFor(view, ordinal) };
}

/** `wait` while a pod is on its way; no steps when the scale is right and everything is available. */
function orderedScale(view: StatefulView, { start, replicas, condemned }: Slots): readonly StatefulStep[] | 'wait' {
  for (const [index, pod] of replicas.entries()) {
    if (!pod) return [createStep(view, start + index)];
    if (isPodTerminating(pod)) return 'wait';
    if (isPodFinished(pod)) return [{ do: 'recreate', pod }];
    if (!isRunningAndAvailable(view, pod)) return 'wait';
  }
  // All replicas are available here, so only pods that go can be unhealthy: the first of those may go in any state.
  const firstUnhealthy = [...condemned].reverse().find((pod) => !isHealthy(view, pod));
  const [last] = condemned;
  if (!last) return [];
  if (isPodTerminating(last)) return 'wait';
  if (!isRunningAndAvailable(view, last) && last !== firstUnhealthy) return 'wait';
  return [{ do: 'delete', pod: last }];
}

function parallelScale(view: StatefulView, { start, replicas, condemned }: Slots): readonly StatefulStep[] {
  const steps: StatefulStep[] = [];
  for (const [index, pod] of replicas.entries()) {
    if (!pod) steps.push(createStep(view, start + index));
    else if (isPodFinished(pod) && !isPodTerminating(pod)) steps.push({ do: 'recreate', pod });
  }
  for (const pod of condemned) if (!isPodTerminating(pod)) steps.push({ do: 'delete', pod });
  return steps;
}

function planUpdate(view: StatefulView, { replicas }: Slots): readonly StatefulStep[] {
  const { set, updateRevision } = view;
  if (set.spec.updateStrategy?.type === 'OnDelete') return [];
  const { partition = 0, maxUnavailable } = set.spec.updateStrategy?.rollingUpdate ?? {};
  const most = Math.max(1, scaledValue(maxUnavailable, set.spec.replicas ?? 1, 'up', 1));
  let unavailable = replicas.filter((pod) => !isHealthy(view, pod)).length;
  const steps: StatefulStep[] = [];
  for (let index = replicas.length - 1; index >= partition && (unavailable < most || most === 1); index--) {
    const pod = replicas[index];
    if (pod && pod.metadata.labels?.[revisionLabel] !== updateRevision && !isPodTerminating(pod)) {
      // With one pod at a time a pod that does not work anyway is replaced without waiting for the others.
      steps.push({ do: 'delete', pod });
      if (most === 1) return steps;
      if (isHealthy(view, pod)) unavailable++;
    } else if (most === 1 && !isHealthy(view, pod)) return [];
  }
  return steps;
}

/** Counts of the pods as they are now, and the end of an update when all pods have arrived at it. */
export function statefulStatus(view: StatefulView): StatefulSetStatus {
  const { set, pods, updateRevision, collisionCount, nowMs } = view;
  const created = pods.filter(({ status }) => !!status?.phase);
  const ready = created.filter((pod) => pod.status?.phase === 'Running' && isPodReady(pod));
  const available = ready.filter((pod) => isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs));
  const staying = created.filter((pod) => !isPodTerminating(pod));
  const of = (revision: string): number =>
    staying.filter(({ metadata }) => metadata.labels?.[revisionLabel] === revision).length;
  const updatedReplicas = of(updateRevision);
  const wanted = set.spec.replicas ?? 1;
  const rolling = set.spec.updateStrategy?.type !== 'OnDelete';
  const complete = rolling && [updatedReplicas, ready.length, created.length].every((count) => count === wanted);
  const currentRevision = complete ? updateRevision : view.currentRevision;
  const currentReplicas = of(currentRevision);
  const conditions = set.status?.conditions;
  return {
    observedGeneration: set.metadata.generation ?? 0,
    replicas: created.length,
    ...(ready.length > 0 ? { readyReplicas: ready.length } : {}),
    ...(currentReplicas > 0 ? { currentReplicas } : {}),
    ...(updatedReplicas > 0 ? { updatedReplicas } : {}),
    currentRevision,
    updateRevision,
    collisionCount: collisionCount ?? 0,
    availableReplicas: available.length,
    ...(conditions ? { conditions } : {}),
  };
}
