import type { Container, ContainerState, ContainerStatus, Pod } from '#api/gen/types';
import { findCondition, isConditionTrue } from '../machinery/meta.ts';
import type { Column } from './columns.ts';
import { ageColumn, nameColumn, text, wide } from './common.ts';
import { humanDuration } from './duration.ts';

/** What `kubectl get pods` says of a pod. */
export interface PodSummary {
  readonly ready: number;
  readonly total: number;
  /** For example `Running`, `Init:0/1`, `CrashLoopBackOff`. */
  readonly status: string;
  readonly restarts: number;
  /** When the last restarted container had ended: milliseconds since the epoch, 0 when none has. */
  readonly lastRestartMs: number;
}

/** An init container that keeps running beside the main ones. */
export function isSidecar(container: Container | undefined): boolean {
  return container?.restartPolicy === 'Always';
}

interface Tally {
  ready: number;
  restarts: number;
  lastRestartMs: number;
}

function countRestarts(tally: Tally, status: ContainerStatus): void {
  tally.restarts += status.restartCount;
  const finishedAt = status.lastState?.terminated?.finishedAt;
  if (finishedAt) tally.lastRestartMs = Math.max(tally.lastRestartMs, Date.parse(finishedAt));
}

function exitText(state: NonNullable<ContainerState['terminated']>): string {
  if (state.reason) return state.reason;
  return state.signal ? `Signal:${state.signal}` : `ExitCode:${state.exitCode}`;
}

/** Why the init containers are not done yet, or undefined when they are. `all` and `sidecars` are counted up. */
function initReason(pod: Pod, all: Tally, sidecars: Tally): string | undefined {
  const specs = new Map((pod.spec.initContainers ?? []).map((container) => [container.name, container]));
  for (const [index, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const sidecar = isSidecar(specs.get(status.name));
    countRestarts(all, status);
    if (sidecar) countRestarts(sidecars, status);
    const { terminated, waiting } = status.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecar && status.started) {
      if (status.ready) sidecars.ready++;
      continue;
    }
    if (terminated) return `Init:${exitText(terminated)}`;
    if (waiting?.reason && waiting.reason !== 'PodInitializing') return `Init:${waiting.reason}`;
    return `Init:${index}/${specs.size}`;
  }
  return undefined;
}

/** The reason the last listed container that has one gives; counts what is ready. */
function mainReason(pod: Pod, tally: Tally, fallback: string): string {
  let reason = fallback;
  let running = false;
  for (const status of [...(pod.status?.containerStatuses ?? [])].reverse()) {
    countRestarts(tally, status);
    const { terminated, waiting, running: started } = status.state ?? {};
    if (waiting?.reason) reason = waiting.reason;
    else if (terminated) reason = exitText(terminated);
    else if (status.ready && started) {
      running = true;
      tally.ready++;
    }
  }
  if (reason === 'Completed' && running)
    return isConditionTrue(pod.status?.conditions, 'Ready') ? 'Running' : 'NotReady';
  return reason;
}

function phaseReason(pod: Pod): string {
  if (findCondition(pod.status?.conditions, 'PodScheduled')?.reason === 'SchedulingGated') return 'SchedulingGated';
  return pod.status?.reason || (pod.status?.phase ?? 'Unknown');
}

/** `printPod` of kube-apiserver (release 1.36). */
export function summarizePod(pod: Pod): PodSummary {
  const all: Tally = { ready: 0, restarts: 0, lastRestartMs: 0 };
  const sidecars: Tally = { ready: 0, restarts: 0, lastRestartMs: 0 };
  const initializing = initReason(pod, all, sidecars);
  let status = initializing ?? phaseReason(pod);
  let tally = { ...all, ready: sidecars.ready };
  if (initializing === undefined || isConditionTrue(pod.status?.conditions, 'Initialized')) {
    tally = sidecars;
    status = mainReason(pod, tally, status);
  }
  const phase = pod.status?.phase;
  if (pod.metadata.deletionTimestamp) {
    if (pod.status?.reason === 'NodeLost') status = 'Unknown';
    else if (phase !== 'Succeeded' && phase !== 'Failed') status = 'Terminating';
  }
  const total = pod.spec.containers.length + (pod.spec.initContainers ?? []).filter(isSidecar).length;
  return { ready: tally.ready, total, status, restarts: tally.restarts, lastRestartMs: tally.lastRestartMs };
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec.readinessGates ?? [];
  if (gates.length === 0) return '<none>';
  const met = gates.filter((gate) => isConditionTrue(pod.status?.conditions, gate.conditionType));
  return `${met.length}/${gates.length}`;
}

export const podColumns: readonly Column<Pod>[] = [
  nameColumn,
  text('Ready', 'Containers that are ready, of how many.', (pod) => {
    const { ready, total } = summarizePod(pod);
    return `${ready}/${total}`;
  }),
  text('Status', 'What the pod is doing, from its containers.', (pod) => summarizePod(pod).status),
  text('Restarts', 'How often containers were restarted, and when last.', (pod, { nowMs }) => {
    const { restarts, lastRestartMs } = summarizePod(pod);
    if (restarts === 0 || lastRestartMs === 0) return String(restarts);
    return `${restarts} (${humanDuration(nowMs - lastRestartMs)} ago)`;
  }),
  ageColumn,
  wide(text('IP', 'First address of the pod.', (pod) => pod.status?.podIPs?.[0]?.ip || pod.status?.podIP || '<none>')),
  wide(text('Node', 'Node the pod is bound to.', (pod) => pod.spec.nodeName || '<none>')),
  wide(
    text(
      'Nominated Node',
      'Node that is being cleared for the pod.',
      (pod) => pod.status?.nominatedNodeName || '<none>',
    ),
  ),
  wide(text('Readiness Gates', 'Extra conditions that hold, of how many.', readinessGates)),
];
