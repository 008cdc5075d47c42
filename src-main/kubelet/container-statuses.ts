import type { Container, ContainerState, ContainerStatus as ApiContainerStatus, Pod } from '#api/gen/types';
import { formatTime } from '#base/clock';
import type { ContainerStatus } from '#cri/cri';
import { initContainersOf, isSidecar, shouldRestart } from './pod-facts.ts';
import type { PodView } from './runtime-view.ts';

/** Why a container is not running, as `state.waiting` tells it. */
export interface WaitingReason {
  readonly reason: string;
  readonly message?: string;
}

/** What probes say of a container. */
export interface ProbeVerdicts {
  /** By container id, with the container's own spec for whether there is a probe at all. */
  ready(containerId: string, container: Container): boolean;
  started(containerId: string, container: Container): boolean;
}

export interface ContainerStatusInput {
  readonly pod: Pod;
  readonly view: PodView;
  /** By container name. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  readonly probes: ProbeVerdicts;
  /** By container id: what the termination message file, or the log, said. */
  readonly messages: ReadonlyMap<string, string>;
  /** The scheme of container ids: `simulator`, `containerd`. */
  readonly runtimeName: string;
  /** When the kubelet first saw the pod in this life. */
  readonly seenMs: number;
  /** Nothing is started any more: what never ran stays as it is. */
  readonly stopping: boolean;
}

function terminated(status: ContainerStatus, input: ContainerStatusInput): ContainerState {
  const message = input.messages.get(status.id) || status.message;
  return {
    terminated: {
      exitCode: status.exitCode ?? 137,
      reason: status.reason ?? 'Error',
      ...(message ? { message } : {}),
      startedAt: formatTime(status.startedAtMs ?? 0),
      finishedAt: formatTime(status.finishedAtMs ?? 0),
      containerID: `${input.runtimeName}://${status.id}`,
    },
  };
}

function stateOf(status: ContainerStatus, input: ContainerStatusInput): ContainerState {
  if (status.state === 'CONTAINER_RUNNING') return { running: { startedAt: formatTime(status.startedAtMs ?? 0) } };
  if (status.state === 'CONTAINER_EXITED') return terminated(status, input);
  return { waiting: { reason: 'ContainerCreating' } };
}

/** Statuses of some of a pod's containers, in the order of the spec (pkg/kubelet/kubelet_pods.go, release 1.36). */
export function buildContainerStatuses(
  containers: readonly Container[],
  before: readonly ApiContainerStatus[] | undefined,
  input: ContainerStatusInput,
): readonly ApiContainerStatus[] {
  return containers.map((container) => {
    const known = before?.find((status) => status.name === container.name);
    const runs = input.view.containers.get(container.name) ?? [];
    return buildOne(container, known, runs, input);
  });
}

function buildOne(
  container: Container,
  before: ApiContainerStatus | undefined,
  runs: readonly ContainerStatus[],
  input: ContainerStatusInput,
): ApiContainerStatus {
  const [newest, previous] = runs;
  if (!newest) return withoutRun(container, before, input);
  const waiting = willRestart(container, newest, input) ? input.waiting.get(container.name) : undefined;
  const state = stateOf(newest, input);
  const last = waiting ? state : previous ? stateOf(previous, input) : before?.lastState;
  const running = newest.state === 'CONTAINER_RUNNING';
  const done = newest.state === 'CONTAINER_EXITED' && newest.exitCode === 0;
  const init = initContainersOf(input.pod).includes(container) && !isSidecar(container);
  return {
    name: container.name,
    state: waiting ? { waiting } : state,
    lastState: last ?? {},
    ready: init ? done : running && input.probes.ready(newest.id, container),
    restartCount: newest.metadata.attempt,
    image: newest.image,
    imageID: newest.imageRef,
    containerID: `${input.runtimeName}://${newest.id}`,
    started: running && input.probes.started(newest.id, container),
    ...extras(container, running),
  };
}

/** A run that ended for good is shown as it ended, whatever was said while it was tried. */
function willRestart(container: Container, run: ContainerStatus, { pod, stopping }: ContainerStatusInput): boolean {
  return run.state === 'CONTAINER_EXITED' && !stopping && shouldRestart(pod, container, run.exitCode ?? 1);
}

/** What came with in-place resize and recursive read-only mounts (both on in release 1.36). */
function extras(container: Container, running: boolean): Partial<ApiContainerStatus> {
  const { requests, limits } = container.resources ?? {};
  const mounts = container.volumeMounts ?? [];
  return {
    ...(requests ? { allocatedResources: requests } : {}),
    ...(running ? { resources: { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) } } : {}),
    ...(mounts.length > 0
      ? {
          volumeMounts: mounts.map(({ name, mountPath, readOnly }) => ({
            name,
            mountPath,
            ...(readOnly ? { readOnly, recursiveReadOnly: 'Disabled' } : {}),
          })),
        }
      : {}),
  };
}

function withoutRun(
  container: Container,
  before: ApiContainerStatus | undefined,
  input: ContainerStatusInput,
): ApiContainerStatus {
  const waiting = input.waiting.get(container.name) ?? defaultWaiting(input);
  const base = { name: container.name, image: container.image ?? '', ...extras(container, false) };
  if (!before?.containerID) {
    return { ...base, state: { waiting }, lastState: {}, ready: false, restartCount: 0, imageID: '', started: false };
  }
  // The runtime has lost a container that the API knows: a node that was cut off from power.
  const lost: ContainerState = before.state?.terminated ? before.state : lostTermination(before, input);
  const initDone = before.state?.terminated?.exitCode === 0 && initContainersOf(input.pod).includes(container);
  const over = input.stopping || initDone;
  return {
    ...before,
    state: over ? lost : { waiting },
    lastState: over ? (before.lastState ?? {}) : lost,
    ready: initDone,
    started: false,
    restartCount: before.restartCount,
  };
}

/** How a run ended that nobody saw the end of: in words of the runtime after a reboot, or of the kubelet at the pod's end. */
function lostTermination(before: ApiContainerStatus, input: ContainerStatusInput): ContainerState {
  const startedAt = before.state?.running?.startedAt;
  const common = { containerID: before.containerID ?? '', ...(startedAt ? { startedAt } : {}) };
  if (!input.stopping) {
    return { terminated: { ...common, exitCode: 255, reason: 'Unknown', finishedAt: formatTime(input.seenMs) } };
  }
  const message = 'The container could not be located when the pod was terminated';
  return { terminated: { ...common, exitCode: 137, reason: 'ContainerStatusUnknown', message } };
}

function defaultWaiting(input: ContainerStatusInput): WaitingReason {
  return { reason: initContainersOf(input.pod).length === 0 ? 'ContainerCreating' : 'PodInitializing' };
}
