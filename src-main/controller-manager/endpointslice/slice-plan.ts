import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice, Node, Pod, Service } from '#api/gen/types';
import { jsonEqual } from '#base/freeze';
import { isPodReady } from '../pod-status.ts';
import { belongsInEndpoints, hostnameIn, targetPortOf } from '../service-pods.ts';

/** `max-endpoints-per-slice` of kube-controller-manager, release 1.36. */
const maxPerSlice = 100;

/** Endpoints that listen on the same ports: they may share a slice. */
interface PortGroup {
  readonly ports: readonly DiscoveryV1EndpointPort[];
  readonly endpoints: Map<string, Endpoint>;
}

/** What has to be written so that the slices of a service say what they should. */
export interface SlicePlan {
  readonly create: readonly {
    readonly ports: readonly DiscoveryV1EndpointPort[];
    readonly endpoints: readonly Endpoint[];
  }[];
  readonly update: readonly EndpointSlice[];
  readonly remove: readonly EndpointSlice[];
}

/**
 * Plans the fewest writes (`endpointslice.Reconciler`, release 1.36): an endpoint stays in the slice it is in; newcomers
 * fill slices that have room; a slice is written only when something in it changed. A service without endpoints keeps
 * one empty slice, so that it can be seen to have none.
 */
export function planSlices(
  service: Service,
  pods: readonly Pod[],
  existing: readonly EndpointSlice[],
  labels: Readonly<Record<string, string>>,
  nodeOf: (name: string) => Node | undefined,
): SlicePlan {
  const groups = groupByPorts(service, pods, nodeOf);
  if (groups.size === 0) groups.set('[]', { ports: [], endpoints: new Map() });
  const create: { ports: readonly DiscoveryV1EndpointPort[]; endpoints: readonly Endpoint[] }[] = [];
  const update: EndpointSlice[] = [];
  const remove: EndpointSlice[] = [];
  const unclaimed = new Set(existing);
  for (const { ports, endpoints } of groups.values()) {
    const slices = existing.filter((slice) => jsonEqual(slice.ports ?? [], ports));
    for (const slice of slices) unclaimed.delete(slice);
    const isPlaceholder = endpoints.size === 0;
    const contents = distribute(slices, endpoints);
    const [first] = contents;
    contents.forEach((content, i) => {
      const slice = slices[i];
      if (!slice) create.push({ ports, endpoints: content });
      else if (content.length === 0 && !(isPlaceholder && content === first)) remove.push(slice);
      else if (!jsonEqual(slice.endpoints ?? [], content) || !jsonEqual(slice.metadata.labels, labels)) {
        update.push({ ...slice, metadata: { ...slice.metadata, labels }, endpoints: content });
      }
    });
    if (isPlaceholder && contents.length === 0) create.push({ ports, endpoints: [] });
  }
  return { create, update, remove: [...remove, ...unclaimed] };
}

/** The endpoints of each slice in turn, those of new slices at the end. Takes everything out of `wanted`. */
function distribute(slices: readonly EndpointSlice[], wanted: Map<string, Endpoint>): readonly Endpoint[][] {
  const contents = slices.map((slice) => {
    const kept: Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const now = wanted.get(identityOf(endpoint));
      if (!now || kept.length === maxPerSlice) continue;
      wanted.delete(identityOf(endpoint));
      kept.push(now);
    }
    return kept;
  });
  for (const endpoint of wanted.values()) {
    let room = contents.find((content) => content.length < maxPerSlice);
    if (!room) contents.push((room = []));
    room.push(endpoint);
  }
  wanted.clear();
  return contents.map((content) => content.sort(byAddress));
}

function groupByPorts(
  service: Service,
  pods: readonly Pod[],
  nodeOf: (name: string) => Node | undefined,
): Map<string, PortGroup> {
  const groups = new Map<string, PortGroup>();
  for (const pod of pods) {
    if (!belongsInEndpoints(pod, true)) continue;
    const ports = portsOf(service, pod);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: new Map<string, Endpoint>() };
    groups.set(key, group);
    const endpoint = endpointOf(service, pod, nodeOf);
    group.endpoints.set(identityOf(endpoint), endpoint);
  }
  return groups;
}

function portsOf(service: Service, pod: Pod): readonly DiscoveryV1EndpointPort[] {
  return (service.spec.ports ?? []).flatMap((port) => {
    const number = targetPortOf(pod, port);
    if (number === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = port;
    return [{ name, port: number, protocol, ...(appProtocol ? { appProtocol } : {}) }];
  });
}

function endpointOf(service: Service, pod: Pod, nodeOf: (name: string) => Node | undefined): Endpoint {
  const { nodeName } = pod.spec;
  const { name = '', namespace = '', uid = '', deletionTimestamp } = pod.metadata;
  const serving = isPodReady(pod);
  const terminating = deletionTimestamp !== undefined;
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const hostname = hostnameIn(service, pod);
  const zone = nodeName ? nodeOf(nodeName)?.metadata.labels?.['topology.kubernetes.io/zone'] : undefined;
  return {
    addresses: [pod.status?.podIP ?? ''],
    conditions: { ready, serving, terminating },
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    targetRef: { kind: 'Pod', name, namespace, uid },
    ...(zone ? { zone } : {}),
  };
}

function identityOf(endpoint: Endpoint): string {
  return `${endpoint.targetRef?.uid ?? ''} ${endpoint.addresses.join(' ')}`;
}

function byAddress(a: Endpoint, b: Endpoint): number {
  const [left = ''] = a.addresses;
  const [right = ''] = b.addresses;
  return left < right ? -1 : left > right ? 1 : 0;
}
