import type { Pod, Service, ServicePort } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import type { Disposable } from '#base/disposable';
import { jsonEqual } from '#base/freeze';
import type { Informer } from '#client/client';
import { matchesSet } from '#client/label-selectors';
import { isPodFinished, isPodReady } from './pod-status.ts';

/** Whether the endpoints of `service` are found by selecting pods. */
export function selectsPods(service: Service): boolean {
  return service.spec.type !== 'ExternalName' && Object.keys(service.spec.selector ?? {}).length > 0;
}

/** The pods that `service` selects, in any state. */
export function podsOfService(service: Service, pods: Informer<Pod>): readonly Pod[] {
  const { selector = {} } = service.spec;
  return pods.lister.list(service.metadata.namespace).filter((pod) => matchesSet(selector, pod.metadata.labels));
}

/** `endpointsliceutil.ShouldPodBeInEndpoints`, release 1.36. */
export function belongsInEndpoints(pod: Pod, includeTerminating: boolean): boolean {
  if (isPodFinished(pod) || !pod.status?.podIP) return false;
  return includeTerminating || !pod.metadata.deletionTimestamp;
}

/** The number that `port` has in `pod`; undefined when it is named and the pod has no such port. */
export function targetPortOf(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target === 0 ? port.port : target;
  const sidecars = (pod.spec.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  for (const container of [...pod.spec.containers, ...sidecars]) {
    const found = container.ports?.find(
      ({ name, protocol = 'TCP' }) => name === target && protocol === (port.protocol ?? 'TCP'),
    );
    if (found) return found.containerPort;
  }
  return undefined;
}

/** The name the pod answers to below the service's own name, for StatefulSets. */
export function hostnameIn(service: Service, pod: Pod): string | undefined {
  const { hostname, subdomain } = pod.spec;
  return hostname && subdomain === service.metadata.name ? hostname : undefined;
}

/**
 * Calls `onChange` with the key of every service whose endpoints a change of a pod may touch, and the change's revision.
 * Changes that endpoints do not show are passed over.
 */
export function watchServicePods(
  pods: Informer<Pod>,
  services: Informer<Service>,
  onChange: (serviceKey: string, revision: string | undefined) => void,
): Disposable {
  const tell = (pod: Pod, ...others: Pod[]): void => {
    for (const service of services.lister.list(pod.metadata.namespace)) {
      if (!selectsPods(service)) continue;
      const { selector = {} } = service.spec;
      const selected = [pod, ...others].some((each) => matchesSet(selector, each.metadata.labels));
      if (selected) onChange(objectKey(service), pod.metadata.resourceVersion);
    }
  };
  return pods.addHandler({
    onAdd: (pod) => {
      if (pod.status?.podIP) tell(pod);
    },
    onUpdate: (before, pod) => {
      if (!jsonEqual(visiblePart(before), visiblePart(pod))) tell(pod, before);
    },
    onDelete: (pod) => tell(pod),
  });
}

function visiblePart(pod: Pod): unknown {
  const { metadata, spec, status } = pod;
  const { hostname, subdomain, nodeName } = spec;
  return [
    metadata.uid,
    metadata.labels,
    Boolean(metadata.deletionTimestamp),
    [hostname, subdomain, nodeName],
    status?.podIP,
    isPodFinished(pod),
    isPodReady(pod),
  ];
}

/** The service's own labels, without those that controllers put on endpoints, and with the headless mark. */
export function endpointLabels(service: Service, own: Readonly<Record<string, string>>): Record<string, string> {
  const reserved = [
    'kubernetes.io/service-name',
    'endpointslice.kubernetes.io/managed-by',
    'service.kubernetes.io/headless',
  ];
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(service.metadata.labels ?? {})) {
    if (!reserved.includes(name)) labels[name] = value;
  }
  if (service.spec.clusterIP === 'None') labels['service.kubernetes.io/headless'] = '';
  return { ...labels, ...own };
}
