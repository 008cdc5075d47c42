import type { ContainerStatus, Pod, PodCondition, PodStatus } from '#api/gen/types';
import { formatTime } from '#base/clock';
import { buildContainerStatuses, type ContainerStatusInput } from './container-statuses.ts';
import { ephemeralOf, initContainersOf, isSidecar, isTerminalPhase } from './pod-facts.ts';
import { readySandbox } from './runtime-view.ts';

export interface PodStatusInput extends ContainerStatusInput {
  readonly hostIP: string;
  readonly nowMs: number;
  /** Why the kubelet ended the pod: overrides what the containers say. */
  readonly failure?: { readonly reason: string; readonly message: string };
}

type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/** The status of a pod that runs here (pkg/kubelet/kubelet_pods.go and status/generate.go, release 1.36). */
export function buildPodStatus(input: PodStatusInput): PodStatus {
  const { pod, view, hostIP } = input;
  const before = pod.status ?? {};
  const initContainerStatuses = buildContainerStatuses(initContainersOf(pod), before.initContainerStatuses, input);
  const containerStatuses = buildContainerStatuses(pod.spec.containers, before.containerStatuses, input);
  const ephemeral = buildContainerStatuses(ephemeralOf(pod), before.ephemeralContainerStatuses, input);
  const phase = input.failure ? 'Failed' : phaseOf(pod, initContainerStatuses, containerStatuses, input.stopping);
  const sandbox = readySandbox(view);
  const podIP = sandbox?.ip ?? (pod.spec.hostNetwork ? hostIP : before.podIP);
  const status: PodStatus = {
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    hostIP,
    hostIPs: [{ ip: hostIP }],
    ...(podIP ? { podIP, podIPs: [{ ip: podIP }] } : {}),
    startTime: before.startTime ?? formatTime(input.seenMs),
    ...(initContainerStatuses.length > 0 ? { initContainerStatuses } : {}),
    containerStatuses,
    ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
    ...(before.qosClass ? { qosClass: before.qosClass } : {}),
    ...(input.failure ??
      (before.reason && isTerminalPhase(phase) ? { reason: before.reason, message: before.message } : {})),
  };
  return { ...status, conditions: conditionsOf(input, status, sandbox !== undefined) };
}

function phaseOf(
  pod: Pod,
  inits: readonly ContainerStatus[],
  containers: readonly ContainerStatus[],
  stopping: boolean,
): Phase {
  const before = pod.status?.phase;
  if (before === 'Succeeded' || before === 'Failed') return before;
  const policy = pod.spec.restartPolicy ?? 'Always';
  const begun = containers.some((status) => status.containerID);
  for (const [index, container] of initContainersOf(pod).entries()) {
    const status = inits[index];
    const exit = status?.state?.terminated ?? status?.lastState?.terminated;
    if (isSidecar(container)) {
      if (!begun && !status?.started && !stopping) return 'Pending';
    } else if (exit && exit.exitCode !== 0) {
      if (policy === 'Never' || stopping) return 'Failed';
      if (!status?.state?.terminated || !begun) return 'Pending';
    } else if (!begun && !(status?.state?.terminated?.exitCode === 0)) {
      return stopping ? 'Failed' : 'Pending';
    }
  }
  return phaseOfContainers(policy, containers, stopping);
}

function phaseOfContainers(policy: string, containers: readonly ContainerStatus[], stopping: boolean): Phase {
  let [running, waiting, stopped, succeeded] = [0, 0, 0, 0];
  for (const { state, lastState } of containers) {
    if (state?.running) running++;
    else if (state?.terminated) {
      stopped++;
      if (state.terminated.exitCode === 0) succeeded++;
    } else if (lastState?.terminated) stopped++;
    else waiting++;
  }
  if (waiting > 0) return stopping && running === 0 ? 'Failed' : running > 0 && stopping ? 'Running' : 'Pending';
  if (running > 0) return 'Running';
  if (stopped === 0) return 'Pending';
  if (stopped === succeeded && (policy !== 'Always' || stopping)) return 'Succeeded';
  return policy === 'Never' || stopping ? 'Failed' : 'Running';
}

interface Verdict {
  readonly status: 'True' | 'False';
  readonly reason?: string;
  readonly message?: string;
}

const yes: Verdict = { status: 'True' };

function initialized(pod: Pod, status: PodStatus): Verdict {
  if (status.phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' };
  const begun = (status.containerStatuses ?? []).some((item) => item.containerID);
  if (begun) return yes;
  const incomplete = initContainersOf(pod).filter((container, index) => {
    const its = status.initContainerStatuses?.[index];
    return isSidecar(container) ? !its?.started : its?.state?.terminated?.exitCode !== 0;
  });
  if (incomplete.length === 0) return yes;
  const names = incomplete.map((container) => container.name).join(' ');
  return {
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${names}]`,
  };
}

function containersReady(pod: Pod, status: PodStatus): Verdict {
  if (status.phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' };
  if (status.phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const sidecars = initContainersOf(pod).flatMap((container, index) => {
    const its = status.initContainerStatuses?.[index];
    return isSidecar(container) && its ? [its] : [];
  });
  const unready = [...sidecars, ...(status.containerStatuses ?? [])].filter((item) => !item.ready);
  if (unready.length === 0) return yes;
  const names = unready.map((item) => item.name).join(' ');
  return { status: 'False', reason: 'ContainersNotReady', message: `containers with unready status: [${names}]` };
}

function ready(pod: Pod, containers: Verdict): Verdict {
  if (containers.status === 'False') return containers;
  const problems = (pod.spec.readinessGates ?? []).flatMap(({ conditionType }) => {
    const gate = pod.status?.conditions?.find((item) => item.type === conditionType);
    if (!gate) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (gate.status === 'True') return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${gate.status}`];
  });
  if (problems.length === 0) return yes;
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: problems.join(', ') };
}

/** What disruption-aware controllers (Jobs) look for. */
function evicted(message: string): readonly [string, Verdict] {
  return ['DisruptionTarget', { status: 'True', reason: 'TerminationByKubelet', message }];
}

/** The kubelet's conditions, in upstream's order; those of others are kept where the status is written. */
function conditionsOf(input: PodStatusInput, status: PodStatus, sandboxReady: boolean): readonly PodCondition[] {
  const { pod } = input;
  const containers = containersReady(pod, status);
  const verdicts: readonly (readonly [string, Verdict])[] = [
    ['PodReadyToStartContainers', { status: sandboxReady ? 'True' : 'False' }],
    ['Initialized', initialized(pod, status)],
    ['Ready', ready(pod, containers)],
    ['ContainersReady', containers],
    ...(input.failure?.reason === 'Evicted' ? [evicted(input.failure.message)] : []),
  ];
  const generation = pod.metadata.generation;
  return verdicts.map(([type, verdict]) => ({
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    type,
    ...verdict,
  }));
}

export const kubeletConditions: ReadonlySet<string> = new Set([
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
]);

/** Fills in when each condition last turned: from `before` where it did not turn now. */
export function stampConditions(
  conditions: readonly PodCondition[],
  before: readonly PodCondition[],
  nowMs: number,
): readonly PodCondition[] {
  return conditions.map((item) => {
    const last = before.find((other) => other.type === item.type);
    const lastTransitionTime =
      last?.status === item.status && last.lastTransitionTime ? last.lastTransitionTime : formatTime(nowMs);
    return { ...item, lastTransitionTime };
  });
}
