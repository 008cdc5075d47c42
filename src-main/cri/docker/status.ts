import type { ContainerInspectInfo, ContainerStats as EngineStats } from 'dockerode';
import type {
  Container,
  ContainerState,
  ContainerStats,
  ContainerStatus,
  PodSandbox,
  PodSandboxStatus,
} from '../cri.ts';
import type { ContainerRecord, SandboxRecord } from './labels.ts';

/** The part of an inspection that the engine's types leave out. */
type State = ContainerInspectInfo['State'];

export function containerState(state: string): ContainerState {
  switch (state) {
    case 'created':
      return 'CONTAINER_CREATED';
    case 'running':
    case 'paused':
    case 'restarting':
      return 'CONTAINER_RUNNING';
    case 'exited':
    case 'dead':
      return 'CONTAINER_EXITED';
    default:
      return 'CONTAINER_UNKNOWN';
  }
}

/** The engine leaves a container that could not be started as it was created, with an error. */
export function failedToStart(state: State): boolean {
  return state.Status === 'created' && state.Error !== '';
}

export function sandboxOf(id: string, state: string, record: SandboxRecord): PodSandbox {
  return {
    id,
    metadata: record.pod,
    state: containerState(state) === 'CONTAINER_RUNNING' ? 'SANDBOX_READY' : 'SANDBOX_NOTREADY',
    createdAtMs: record.createdAtMs,
    labels: record.labels,
    annotations: record.annotations,
  };
}

export function sandboxStatusOf(facts: ContainerInspectInfo, record: SandboxRecord): PodSandboxStatus {
  const sandbox = sandboxOf(facts.Id, facts.State.Status, record);
  const networks = Object.values(facts.NetworkSettings.Networks);
  const ip = networks.map((network) => network.IPAddress).find((address) => address !== '');
  const hasIp = sandbox.state === 'SANDBOX_READY' && record.config.network === 'POD' && ip !== undefined;
  return { ...sandbox, ...(hasIp ? { ip } : {}) };
}

export function containerOf(id: string, state: ContainerState, record: ContainerRecord): Container {
  return {
    ...{ id, state },
    podSandboxId: record.sandboxId,
    metadata: record.metadata,
    image: record.image,
    imageRef: record.imageRef,
    createdAtMs: record.createdAtMs,
    labels: record.labels,
    annotations: record.annotations,
  };
}

/** `failedAtMs`: when the start failed, which the engine does not keep. */
export function containerStatusOf(
  facts: ContainerInspectInfo,
  record: ContainerRecord,
  failedAtMs: number,
): ContainerStatus {
  const { State: state } = facts;
  const base = { ...containerOf(facts.Id, containerState(state.Status), record), image: record.imageName };
  if (failedToStart(state)) {
    // containerd's words and code, so that a pod's status does not depend on the runtime.
    const ending = { exitCode: 128, reason: 'StartError', message: state.Error };
    return { ...base, state: 'CONTAINER_EXITED', startedAtMs: failedAtMs, finishedAtMs: failedAtMs, ...ending };
  }
  if (base.state === 'CONTAINER_CREATED') return base;
  const startedAtMs = Date.parse(state.StartedAt);
  if (base.state !== 'CONTAINER_EXITED') return { ...base, startedAtMs };
  return {
    ...base,
    startedAtMs,
    finishedAtMs: Date.parse(state.FinishedAt),
    exitCode: state.ExitCode,
    reason: reasonOf(state),
    ...(state.Error === '' ? {} : { message: state.Error }),
  };
}

function reasonOf(state: State): string {
  if (state.OOMKilled) return 'OOMKilled';
  return state.ExitCode === 0 ? 'Completed' : 'Error';
}

/** Of a container that does not run the engine tells zeros and no time. */
export function containerStatsOf(
  stats: EngineStats,
  id: string,
  record: ContainerRecord,
  nowMs: number,
): ContainerStats {
  const { usage = 0, stats: memory } = stats.memory_stats as Partial<EngineStats['memory_stats']>;
  const readMs = Date.parse(stats.read);
  // What the kubelet calls the working set; cgroups of version 1 and 2 name it apart.
  const inactive = memory?.total_inactive_file ?? memory?.inactive_file ?? 0;
  return {
    id,
    metadata: record.metadata,
    timestampMs: readMs > 0 ? readMs : nowMs,
    cpuUsageCoreNanoSeconds: stats.cpu_stats.cpu_usage.total_usage,
    memoryWorkingSetBytes: Math.max(0, usage - inactive),
  };
}
