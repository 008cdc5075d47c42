import type { PriorityClass } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';

function namespace(name: string): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

/** The namespaces every cluster begins with (upstream: the system namespaces controller, release 1.36). */
export const systemNamespaces: readonly KubeObject[] = ['default', 'kube-system', 'kube-public', 'kube-node-lease'].map(
  namespace,
);

function systemPriority(name: string, value: number, description: string): PriorityClass & KubeObject {
  return { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name }, value, description };
}

export const systemPriorityClasses: readonly KubeObject[] = [
  systemPriority(
    'system-node-critical',
    2_000_001_000,
    'Used for system critical pods that must not be moved from their current node.',
  ),
  systemPriority(
    'system-cluster-critical',
    2_000_000_000,
    'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  ),
];
