import type { DaemonSet, DaemonSetStatus, Node, Pod } from '#api/gen/types';
import { scaledValue } from '../int-or-percent.ts';
import { byCreation, isPodAvailable, isPodReady, isPodTerminating } from '../pod-status.ts';
import { isUpdated, targetNode } from './daemon-pod.ts';
import { fitOf, type Fit } from './node-fit.ts';

/** What one look at a DaemonSet rests on. */
export interface DaemonView {
  readonly set: DaemonSet;
  readonly nodes: readonly Node[];
  readonly podsByNode: ReadonlyMap<string, readonly Pod[]>;
  readonly fits: ReadonlyMap<string, Fit>;
  /** Hash of the newest revision. */
  readonly hash: string;
  readonly nowMs: number;
}

export interface DaemonPlan {
  /** Names of nodes that get a pod. */
  readonly create: readonly string[];
  readonly delete: readonly Pod[];
  /** Among {@link delete}: pods that ended by themselves, to be replaced. */
  readonly finished: readonly Pod[];
}

export function daemonView(
  set: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
  nowMs: number,
): DaemonView {
  const podsByNode = new Map<string, Pod[]>();
  for (const pod of pods) {
    const node = targetNode(pod);
    if (node === undefined) continue;
    const there = podsByNode.get(node);
    if (there) there.push(pod);
    else podsByNode.set(node, [pod]);
  }
  const fits = new Map(nodes.map((node) => [node.metadata.name ?? '', fitOf(set, node)]));
  return { set, nodes, podsByNode, fits, hash, nowMs };
}

/** `podsShouldBeOnNode` for every node (`DaemonSetsController.manage`, release 1.36): one pod where one belongs. */
export function planDaemons(view: DaemonView): DaemonPlan {
  const create: string[] = [];
  const remove: Pod[] = [];
  const finished: Pod[] = [];
  for (const [name, { shouldRun, shouldContinue }] of view.fits) {
    const pods = view.podsByNode.get(name) ?? [];
    if (!shouldContinue) {
      remove.push(...pods.filter((pod) => !isPodTerminating(pod)));
      continue;
    }
    const staying: Pod[] = [];
    for (const pod of pods) {
      if (isPodTerminating(pod)) continue;
      if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') finished.push(pod);
      else staying.push(pod);
    }
    remove.push(...surplus(view, staying));
    if (shouldRun && pods.length === 0) create.push(name);
    else if (shouldRun && needsSurgePod(view, pods, staying)) create.push(name);
  }
  for (const [name, pods] of view.podsByNode) {
    // Pods that wait for, or are said to run on, a node that is gone.
    if (!view.fits.has(name)) remove.push(...pods.filter((pod) => !isPodTerminating(pod)));
  }
  return { create, delete: [...remove, ...finished], finished };
}

function maxSurge({ set }: DaemonView, desired: number): number {
  if (set.spec.updateStrategy?.type === 'OnDelete') return 0;
  return scaledValue(set.spec.updateStrategy?.rollingUpdate?.maxSurge, desired, 'up', 0);
}

function maxUnavailable(view: DaemonView, desired: number): number {
  const unavailable = scaledValue(view.set.spec.updateStrategy?.rollingUpdate?.maxUnavailable, desired, 'up', 1);
  return unavailable === 0 && maxSurge(view, desired) === 0 ? 1 : unavailable;
}

function isAvailable({ set, nowMs }: DaemonView, pod: Pod): boolean {
  return isPodAvailable(pod, set.spec.minReadySeconds ?? 0, nowMs);
}

/** All but the oldest pod; while an update surges, the oldest of the old and the oldest of the new. */
function surplus(view: DaemonView, staying: readonly Pod[]): readonly Pod[] {
  if (staying.length <= 1) return [];
  const oldest = [...staying].sort(byCreation);
  if (maxSurge(view, desiredCount(view)) === 0) return oldest.slice(1);
  const fresh = oldest.filter((pod) => isUpdated(pod, view.hash));
  const stale = oldest.filter((pod) => !isUpdated(pod, view.hash));
  const keepsStale = !fresh.some((pod) => isAvailable(view, pod));
  return [...fresh.slice(1), ...(keepsStale ? stale.slice(1) : stale)];
}

/** The old pod of a surging update went away before a new one came: nothing must wait for its end. */
function needsSurgePod(view: DaemonView, pods: readonly Pod[], staying: readonly Pod[]): boolean {
  if (maxSurge(view, desiredCount(view)) === 0) return false;
  return staying.length === 0 && pods.every((pod) => isPodTerminating(pod) && !isUpdated(pod, view.hash));
}

function desiredCount({ fits }: DaemonView): number {
  let count = 0;
  for (const { shouldRun } of fits.values()) if (shouldRun) count++;
  return count;
}

/** The next pods a rolling update replaces (`rollingUpdate`, release 1.36), within maxUnavailable or maxSurge. */
export function planRollingUpdate(view: DaemonView): DaemonPlan {
  if (view.set.spec.updateStrategy?.type === 'OnDelete') return { create: [], delete: [], finished: [] };
  const desired = desiredCount(view);
  const surge = maxSurge(view, desired);
  return surge > 0 ? surgingUpdate(view, surge) : replacingUpdate(view, maxUnavailable(view, desired));
}

interface NodePods {
  readonly node: string;
  readonly fresh: Pod | undefined;
  readonly stale: Pod | undefined;
}

function pairs(view: DaemonView): readonly NodePods[] {
  return [...view.fits]
    .filter(([, { shouldRun }]) => shouldRun)
    .map(([node]) => {
      const pods = view.podsByNode.get(node) ?? [];
      return {
        node,
        fresh: pods.find((pod) => isUpdated(pod, view.hash) && !isPodTerminating(pod)),
        stale: pods.find((pod) => !isUpdated(pod, view.hash)),
      };
    });
}

function replacingUpdate(view: DaemonView, most: number): DaemonPlan {
  const broken: Pod[] = [];
  const working: Pod[] = [];
  let unavailable = 0;
  for (const { fresh, stale } of pairs(view)) {
    if (fresh) unavailable += isAvailable(view, fresh) ? 0 : 1;
    else if (!stale || isPodTerminating(stale)) unavailable++;
    else if (isAvailable(view, stale)) working.push(stale);
    else {
      // It does not serve: replacing it costs nothing.
      unavailable++;
      broken.push(stale);
    }
  }
  return { create: [], delete: [...broken, ...working.slice(0, Math.max(0, most - unavailable))], finished: [] };
}

function surgingUpdate(view: DaemonView, most: number): DaemonPlan {
  const done: Pod[] = [];
  const unserved: string[] = [];
  const candidates: string[] = [];
  let surging = 0;
  for (const { node, fresh, stale } of pairs(view)) {
    if (!stale) continue;
    if (fresh) {
      if (!isAvailable(view, fresh)) surging++;
      else if (!isPodTerminating(stale)) done.push(stale);
    } else if (isPodTerminating(stale)) surging++;
    else if (isAvailable(view, stale)) candidates.push(node);
    else unserved.push(node);
  }
  const create = [...unserved, ...candidates.slice(0, Math.max(0, most - surging))];
  return { create, delete: done, finished: [] };
}

/** `updateDaemonSetStatus`, release 1.36. */
export function daemonStatus(view: DaemonView): DaemonSetStatus {
  let current = 0;
  let misscheduled = 0;
  let ready = 0;
  let updated = 0;
  let available = 0;
  for (const [name, { shouldRun }] of view.fits) {
    const pods = [...(view.podsByNode.get(name) ?? [])].sort(byCreation);
    if (pods.length === 0) continue;
    if (!shouldRun) {
      misscheduled++;
      continue;
    }
    current++;
    const serving = pods.find((pod) => isPodReady(pod)) ?? pods[0];
    if (serving && isPodReady(serving)) ready++;
    if (serving && isAvailable(view, serving)) available++;
    if (pods.some((pod) => isUpdated(pod, view.hash))) updated++;
  }
  const desired = desiredCount(view);
  const unavailable = desired - available;
  const { collisionCount, conditions } = view.set.status ?? {};
  return {
    currentNumberScheduled: current,
    numberMisscheduled: misscheduled,
    desiredNumberScheduled: desired,
    numberReady: ready,
    observedGeneration: view.set.metadata.generation ?? 0,
    ...(updated > 0 ? { updatedNumberScheduled: updated } : {}),
    ...(available > 0 ? { numberAvailable: available } : {}),
    ...(unavailable > 0 ? { numberUnavailable: unavailable } : {}),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(conditions ? { conditions } : {}),
  };
}
