import type { Container, Pod } from '#api/gen/types';
import { quantityMilli, quantityValue } from '#base/quantity';
import type { LinuxContainerResources } from '#cri/cri';
import { podNeeds } from './admission.ts';
import { allContainers, uidOf } from './pod-facts.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** Weights and periods of the kernel's CPU controller (pkg/kubelet/cm, release 1.36). */
const minShares = 2;
const sharesPerCpu = 1024;
const periodMicros = 100_000;
const minQuotaMicros = 1_000;

/** Priority from which a pod is as important as the node itself (`system-cluster-critical` and up). */
const criticalPriority = 2_000_000_000;

/** pkg/apis/core/v1/helper/qos, release 1.36. The API server has usually said it. */
export function qosClassOf(pod: Pod): QosClass {
  const said = pod.status?.qosClass;
  if (said === 'Guaranteed' || said === 'Burstable' || said === 'BestEffort') return said;
  const all = allContainers(pod).map(({ resources = {} }) => resources);
  const set = (amounts: Readonly<Record<string, string>> | undefined, name: string): boolean =>
    quantityMilli(amounts?.[name] ?? '0') > 0;
  const names = ['cpu', 'memory'];
  if (!all.some(({ limits, requests }) => names.some((name) => set(limits, name) || set(requests, name)))) {
    return 'BestEffort';
  }
  const guaranteed = all.every(({ limits, requests }) =>
    names.every((name) => {
      const limit = quantityMilli(limits?.[name] ?? '0');
      return limit > 0 && limit === quantityMilli(requests?.[name] ?? limits?.[name] ?? '0');
    }),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

export function isCritical(pod: Pod): boolean {
  return (pod.spec.priority ?? 0) >= criticalPriority;
}

/** How readily the kernel kills the container when memory runs out (pkg/kubelet/qos/policy.go, release 1.36). */
export function oomScoreAdj(pod: Pod, container: Container, memoryCapacityBytes: number): number {
  if (isCritical(pod)) return -997;
  const qos = qosClassOf(pod);
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const requested = quantityValue(container.resources?.requests?.['memory'] ?? '0');
  const score = 1000 - Math.floor((1000 * requested) / memoryCapacityBytes);
  // Above the guaranteed ones, and below those that asked for nothing.
  return Math.min(999, Math.max(3, score));
}

/** Limits and requests of a container in the kernel's terms. */
export function containerResources(
  pod: Pod,
  container: Container,
  memoryCapacityBytes: number,
): LinuxContainerResources {
  const { limits, requests } = container.resources ?? {};
  const cpuLimit = quantityMilli(limits?.['cpu'] ?? '0');
  const memoryLimit = quantityValue(limits?.['memory'] ?? '0');
  return {
    ...cpuAmounts(quantityMilli(requests?.['cpu'] ?? limits?.['cpu'] ?? '0'), cpuLimit),
    ...(memoryLimit > 0 ? { memoryLimitBytes: memoryLimit } : {}),
    oomScoreAdj: oomScoreAdj(pod, container, memoryCapacityBytes),
  };
}

/** What all containers of a pod may use together; a limit only where each of them has one. */
export function podResources(pod: Pod): LinuxContainerResources {
  const containers = allContainers(pod);
  const limit = (name: string, parse: (text: string) => number): number => {
    const all = containers.map((container) => parse(container.resources?.limits?.[name] ?? '0'));
    return all.every((amount) => amount > 0) ? all.reduce((sum, amount) => sum + amount, 0) : 0;
  };
  const memoryLimit = limit('memory', quantityValue);
  return {
    ...cpuAmounts(podNeeds(pod).cpuMilli, limit('cpu', quantityMilli)),
    ...(memoryLimit > 0 ? { memoryLimitBytes: memoryLimit } : {}),
  };
}

export function cpuShares(milli: number): number {
  return Math.max(minShares, Math.floor((milli * sharesPerCpu) / 1000));
}

function cpuAmounts(requestMilli: number, limitMilli: number): LinuxContainerResources {
  return {
    cpuShares: cpuShares(requestMilli),
    ...(limitMilli > 0
      ? { cpuPeriod: periodMicros, cpuQuota: Math.max(minQuotaMicros, (limitMilli * periodMicros) / 1000) }
      : {}),
  };
}

/** The pod's cgroup below the one that all pods of the node share: `/kubepods/burstable/pod<uid>`. */
export function podCgroup(pod: Pod): string {
  const qos = qosClassOf(pod);
  return `/kubepods/${qos === 'Guaranteed' ? '' : `${qos.toLowerCase()}/`}pod${uidOf(pod)}`;
}
