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

/** Objects do not change, so that what was found out about one stays true. */
const known = new WeakMap<Pod, Needs>();

/** What a pod asks of its node: its containers together, or its largest init container, whichever is more. */
export function podNeeds(pod: Pod): Needs {
  let needs = known.get(pod);
  if (!needs) known.set(pod, (needs = addUp(pod)));
  return needs;
}

function addUp(pod: Pod): Needs {
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
  // Most pods of a lab ask for nothing, and then nobody need add up what the others ask for.
  const used = (of: (needs: Needs) => number): number => others.reduce((sum, other) => sum + of(podNeeds(other)), 0);
  if (needs.cpuMilli > 0) {
    const cpuUsed = used(({ cpuMilli }) => cpuMilli);
    const capacity = quantityMilli(allocatable['cpu'] ?? '0');
    if (cpuUsed + needs.cpuMilli > capacity) return lacking('cpu', needs.cpuMilli, cpuUsed, capacity);
  }
  if (needs.memoryBytes > 0) {
    const memoryUsed = used(({ memoryBytes }) => memoryBytes);
    const capacity = quantityValue(allocatable['memory'] ?? '0');
    if (memoryUsed + needs.memoryBytes > capacity) return lacking('memory', needs.memoryBytes, memoryUsed, capacity);
  }
  return refuseBySelector(pod, node) ?? refuseSysctls(pod);
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

/** Sysctls that touch nobody but the pod (pkg/kubelet/sysctl/safe_sysctls.go, release 1.36). */
const safeSysctls: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

function refuseSysctls(pod: Pod): Refusal | undefined {
  const bad = pod.spec.securityContext?.sysctls?.find(({ name }) => !safeSysctls.has(name.replaceAll('/', '.')));
  return bad && { reason: 'SysctlForbidden', message: `forbidden sysctl: "${bad.name}" not allowlisted` };
}
