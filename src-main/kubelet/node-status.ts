import { createHash } from 'node:crypto';
import type { Node, NodeCondition, NodeStatus } from '#api/gen/types';
import { formatTime } from '#base/clock';
import { formatBytes } from '#base/quantity';
import type { Image, RuntimeStatus } from '#cri/cri';
import { pressureConditions, type PressureCondition } from './eviction/signals.ts';
import type { KubeletOptions } from './options.ts';

const wellKnownLabels = ['arch', 'os'] as const;

/** Labels of the node object (pkg/kubelet/kubelet_node_status.go, release 1.36). */
export function nodeLabels(options: KubeletOptions): Readonly<Record<string, string>> {
  const values = { arch: options.machine.architecture ?? 'amd64', os: 'linux' };
  const labels: Record<string, string> = {};
  for (const name of wellKnownLabels) {
    labels[`beta.kubernetes.io/${name}`] = values[name];
    labels[`kubernetes.io/${name}`] = values[name];
  }
  return { ...labels, 'kubernetes.io/hostname': options.machine.hostname ?? options.nodeName, ...options.labels };
}

/** Capacity, or allocatable: what pods may use of it. The kubelet reserves 100 Mi for its hard eviction threshold. */
export function nodeResources(options: KubeletOptions, kind: 'capacity' | 'allocatable'): Record<string, string> {
  const { cpus, memoryBytes, ephemeralStorageBytes = 100 * 1024 ** 3, maxPods = 110 } = options.machine;
  const reserved = kind === 'allocatable' ? 100 * 1024 * 1024 : 0;
  const storage =
    kind === 'allocatable' ? String(Math.floor(ephemeralStorageBytes * 0.9)) : formatKibi(ephemeralStorageBytes);
  return {
    cpu: String(cpus),
    'ephemeral-storage': storage,
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    memory: formatKibi(memoryBytes - reserved),
    pods: String(maxPods),
  };
}

/** `/proc/meminfo` counts in KiB, and so do nodes. */
function formatKibi(bytes: number): string {
  return bytes % 1024 === 0 ? `${bytes / 1024}Ki` : formatBytes(bytes);
}

interface Observation {
  readonly type: string;
  readonly status: 'True' | 'False';
  readonly reason: string;
  readonly message: string;
}

const pressureWords = {
  MemoryPressure: {
    no: ['KubeletHasSufficientMemory', 'kubelet has sufficient memory available'],
    yes: ['KubeletHasInsufficientMemory', 'kubelet has insufficient memory available'],
  },
  DiskPressure: {
    no: ['KubeletHasNoDiskPressure', 'kubelet has no disk pressure'],
    yes: ['KubeletHasDiskPressure', 'kubelet has disk pressure'],
  },
  PIDPressure: {
    no: ['KubeletHasSufficientPID', 'kubelet has sufficient PID available'],
    yes: ['KubeletHasInsufficientPID', 'kubelet has insufficient PID available'],
  },
} as const;

function pressureOf(type: PressureCondition, under: boolean): Observation {
  const [reason, message] = pressureWords[type][under ? 'yes' : 'no'];
  return { type, status: under ? 'True' : 'False', reason, message };
}

function observations(
  runtime: RuntimeStatus,
  under: (condition: PressureCondition) => boolean,
): readonly Observation[] {
  const pressure = pressureConditions.map((type) => pressureOf(type, under(type)));
  const problems = [
    ...(runtime.runtimeReady ? [] : ['container runtime is down']),
    ...(runtime.networkReady
      ? []
      : [
          `container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:${runtime.networkMessage ?? ''}`,
        ]),
  ];
  const ready: Observation =
    problems.length === 0
      ? { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: problems.join(', ') };
  return [...pressure, ready];
}

function condition(observed: Observation, before: readonly NodeCondition[], nowMs: number): NodeCondition {
  const last = before.find((item) => item.type === observed.type);
  const now = formatTime(nowMs);
  const lastTransitionTime = last?.status === observed.status ? (last.lastTransitionTime ?? now) : now;
  return {
    type: observed.type,
    status: observed.status,
    lastHeartbeatTime: now,
    lastTransitionTime,
    reason: observed.reason,
    message: observed.message,
  };
}

export interface NodeStatusInput {
  readonly options: KubeletOptions;
  readonly before: Node;
  readonly runtime: RuntimeStatus;
  readonly images: readonly Image[];
  /** What the eviction manager says. */
  readonly under: (condition: PressureCondition) => boolean;
  readonly nowMs: number;
}

/** The status the node should have. Conditions of other writers (NetworkUnavailable) are kept. */
export function buildNodeStatus(input: NodeStatusInput): NodeStatus {
  const { options, before, nowMs } = input;
  const { machine } = options;
  const version = options.kubeletVersion ?? 'v1.36.0';
  const digest = createHash('sha256').update(options.nodeName).digest('hex');
  const conditions = before.status?.conditions ?? [];
  const own = observations(input.runtime, input.under).map((observed) => condition(observed, conditions, nowMs));
  const others = conditions.filter((item) => !own.some((mine) => mine.type === item.type));
  return {
    ...before.status,
    capacity: nodeResources(options, 'capacity'),
    allocatable: nodeResources(options, 'allocatable'),
    conditions: [...others, ...own],
    addresses: [
      { type: 'InternalIP', address: machine.internalIP },
      { type: 'Hostname', address: machine.hostname ?? options.nodeName },
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
    nodeInfo: {
      machineID: machine.machineID ?? digest.slice(0, 32),
      systemUUID: asUuid(machine.machineID ?? digest.slice(0, 32)),
      bootID: machine.bootID ?? asUuid(digest.slice(32)),
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: machine.containerRuntimeVersion,
      kubeletVersion: version,
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: machine.architecture ?? 'amd64',
    },
    images: [...input.images]
      .sort((a, b) => b.sizeBytes - a.sizeBytes)
      .slice(0, 50)
      .map((image) => ({ names: [...image.repoDigests, ...image.repoTags], sizeBytes: image.sizeBytes })),
    runtimeHandlers: [{ name: '', features: { recursiveReadOnlyMounts: false, userNamespaces: false } }],
  };
}

/** Whether two statuses differ in more than the time of the heartbeat. */
export function withoutHeartbeats(status: NodeStatus | undefined): unknown {
  return {
    ...status,
    conditions: status?.conditions?.map(({ lastHeartbeatTime: _ignored, ...rest }) => rest),
  };
}

export function conditionStatus(status: NodeStatus | undefined, type: string): string | undefined {
  return status?.conditions?.find((item) => item.type === type)?.status;
}

function asUuid(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
}
