import type { Node, Pod } from '#api/gen/types';
import { quantityMilli, quantityValue } from '#base/quantity';
import { initContainersOf, isSidecar } from './pod-facts.ts';

export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

interface Needs {
  readonly cpuMilli: number;
  readonly memoryBytes: number;
}

/** What a pod asks of its node: its containers together, or its largest init container, whichever is more. */
export function podNeeds(pod: Pod): Needs {
  const of = (resource: string, parse: (quantity: string) => number): number => {
    const request = (container: Pod['spec']['containers'][number]): number =>
      parse(container.resources?.requests?.[resource] ?? '0');
    const sidecars = initContainersOf(pod)
      .filter(isSidecar)
      .reduce((sum, container) => sum + request(container), 0);
    const inits = initContainersOf(pod)
      .filter((container) => !isSidecar(container))
      .map(request);
    const main = pod.spec.containers.reduce((sum, container) => sum + request(container), 0);
    return Math.max(main + sidecars, ...inits) + parse(pod.spec.overhead?.[resource] ?? '0');
  };
  return { cpuMilli: of('cpu', quantityMilli), memoryBytes: of('memory', quantityValue) };
}

/** Whether the node takes the pod beside `others` (pkg/kubelet/lifecycle/predicate.go, release 1.36). */
export function refusePod(pod: Pod, others: readonly Pod[], node: Node): Refusal | undefined {
  const allocatable = node.status?.allocatable ?? {};
  const maxPods = quantityValue(allocatable['pods'] ?? '110');
  if (others.length + 1 > maxPods) return lacking('pods', 1, others.length, maxPods);
  const needs = podNeeds(pod);
  const used = others.map(podNeeds);
  const cpuUsed = used.reduce((sum, item) => sum + item.cpuMilli, 0);
  const cpuCapacity = quantityMilli(allocatable['cpu'] ?? '0');
  if (needs.cpuMilli > 0 && cpuUsed + needs.cpuMilli > cpuCapacity)
    return lacking('cpu', needs.cpuMilli, cpuUsed, cpuCapacity);
  const memoryUsed = used.reduce((sum, item) => sum + item.memoryBytes, 0);
  const memoryCapacity = quantityValue(allocatable['memory'] ?? '0');
  if (needs.memoryBytes > 0 && memoryUsed + needs.memoryBytes > memoryCapacity) {
    return lacking('memory', needs.memoryBytes, memoryUsed, memoryCapacity);
  }
  return refuseBySelector(pod, node);
}

function lacking(resource: string, requested: number, used: number, capacity: number): Refusal {
  return {
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
  };
}

function refuseBySelector(pod: Pod, node: Node): Refusal | undefined {
  const labels = node.metadata.labels ?? {};
  const fits = Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
  return fits
    ? undefined
    : {
        reason: 'NodeAffinity',
        message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
      };
}
