import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from '#api/gen/types';
import { quantityMilli, quantityValue } from '#base/quantity';
import { findContainer } from './pod-facts.ts';

/** What the downward API needs besides the pod. */
export interface NodeFacts {
  readonly hostIP: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly ephemeralStorageBytes: number;
}

/** A whole map as files and variables of the downward API show it: `key="value"` lines, sorted. */
function formatMap(map: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
}

/** The value of `fieldRef` (pkg/fieldpath and kubelet_pods.go, release 1.36). Undefined for a path that is not supported. */
export function fieldValue(
  pod: Pod,
  selector: ObjectFieldSelector,
  podIP: string | undefined,
  node: NodeFacts,
): string | undefined {
  const path = selector.fieldPath;
  const entry = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (entry) return (entry[1] === 'labels' ? pod.metadata.labels : pod.metadata.annotations)?.[entry[2] ?? ''] ?? '';
  const values: Readonly<Record<string, string | undefined>> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'metadata.uid': pod.metadata.uid,
    'metadata.labels': formatMap(pod.metadata.labels),
    'metadata.annotations': formatMap(pod.metadata.annotations),
    'spec.nodeName': pod.spec.nodeName,
    'spec.serviceAccountName': pod.spec.serviceAccountName ?? 'default',
    'status.hostIP': node.hostIP,
    'status.hostIPs': node.hostIP,
    'status.podIP': podIP ?? '',
    'status.podIPs': podIP ?? '',
  };
  return path in values ? (values[path] ?? '') : undefined;
}

/** The value of `resourceFieldRef`; a limit that is not set is what the node has. */
export function resourceValue(
  pod: Pod,
  container: Container,
  selector: ResourceFieldSelector,
  node: NodeFacts,
): string {
  const of = (selector.containerName && findContainer(pod, selector.containerName)) || container;
  const [kind = '', ...rest] = selector.resource.split('.');
  const resource = rest.join('.');
  const set = kind === 'limits' ? of.resources?.limits?.[resource] : of.resources?.requests?.[resource];
  const wholeNode: Readonly<Record<string, string>> = {
    cpu: String(node.cpus),
    memory: String(node.memoryBytes),
    'ephemeral-storage': String(node.ephemeralStorageBytes),
  };
  const quantity = set ?? (kind === 'limits' ? (wholeNode[resource] ?? '0') : '0');
  const divisor = selector.divisor && selector.divisor !== '0' ? selector.divisor : '1';
  return resource === 'cpu'
    ? String(Math.ceil(quantityMilli(quantity) / quantityMilli(divisor)))
    : String(Math.ceil(quantityValue(quantity) / quantityValue(divisor)));
}
