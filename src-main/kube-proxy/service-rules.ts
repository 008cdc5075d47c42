import type { Endpoint, EndpointSlice, Service, ServicePort } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { parseIpv4 } from '#base/ip';
import type { SocketAddress } from '#base/streams';

/** One port of one Service as one node must forward it. Backends of every kind are made from these. */
export interface ServiceRule {
  /** `namespace/name`. */
  readonly service: string;
  readonly portName: string;
  readonly protocol: string;
  /** Cluster IPs, external IPs and load-balancer addresses. */
  readonly addresses: readonly string[];
  /** Those of `addresses` that traffic from inside uses. */
  readonly clusterIPs: readonly string[];
  /** Those of `addresses` that a load balancer gave and left to nodes (`ipMode: VIP`). */
  readonly loadBalancerIPs: readonly string[];
  readonly port: number;
  readonly nodePort?: number;
  /** Backends for traffic from inside, after `internalTrafficPolicy`. */
  readonly internal: readonly SocketAddress[];
  /** Backends for traffic from outside, after `externalTrafficPolicy`. */
  readonly external: readonly SocketAddress[];
  /** Backends whatever the policies say. When there is none, clients are refused; else a policy's want is a drop. */
  readonly cluster: readonly SocketAddress[];
  readonly internalTrafficPolicy: TrafficPolicy;
  readonly externalTrafficPolicy: TrafficPolicy;
  /** Backends that may be on this very node: a connection from one of them to itself needs another source address. */
  readonly possiblyHere: readonly string[];
  /** Who may use `loadBalancerIPs`; empty: everybody. */
  readonly loadBalancerSourceRanges: readonly string[];
  /** ClientIP session affinity in seconds. */
  readonly affinitySeconds?: number;
  /** Where this node answers whether it has ready endpoints of the service. */
  readonly healthCheckNodePort?: number;
  /** Addresses of this port's ready endpoints on this node. */
  readonly localReady: readonly string[];
}

export type TrafficPolicy = 'Cluster' | 'Local';

/** The node for which rules are made. */
export interface NodeView {
  readonly nodeName: string;
  /** False for nodes to which no packet of this one can get: their endpoints are left out. */
  readonly reachable?: (nodeName: string) => boolean;
}

interface Backend extends SocketAddress {
  readonly nodeName: string | undefined;
  readonly usable: 'ready' | 'draining';
}

/**
 * The rules for one node (pkg/proxy of kube-proxy, release 1.36): ready endpoints, or, when there is none, those that
 * serve while they terminate; a policy of `Local` keeps the node's own. Headless and ExternalName services have no rules.
 */
export function serviceRules(
  services: readonly Service[],
  slicesOf: (service: Service) => readonly EndpointSlice[],
  view: NodeView,
): ServiceRule[] {
  return services.flatMap((service) => rulesOfService(service, slicesOf(service), view));
}

/** The part of {@link serviceRules} that one Service gives. */
export function rulesOfService(
  service: Service,
  slices: readonly EndpointSlice[],
  view: NodeView,
): readonly ServiceRule[] {
  const { clusterIP, type, ports } = service.spec;
  if (type === 'ExternalName' || !clusterIP || clusterIP === 'None') return [];
  return (ports ?? []).map((port) => ruleOf(service, port, slices, view));
}

function ruleOf(service: Service, port: ServicePort, slices: readonly EndpointSlice[], view: NodeView): ServiceRule {
  const { spec } = service;
  const all = slices.flatMap((slice) => backendsOf(slice, port, view));
  const local = all.filter((backend) => backend.nodeName === view.nodeName);
  const internalTrafficPolicy = spec.internalTrafficPolicy === 'Local' ? 'Local' : 'Cluster';
  const externalTrafficPolicy = spec.externalTrafficPolicy === 'Local' ? 'Local' : 'Cluster';
  const affinity =
    spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10800) : undefined;
  const cluster = choose(all);
  const here = all.filter((backend) => backend.nodeName === undefined || backend.nodeName === view.nodeName);
  return {
    service: objectKey(service),
    portName: port.name ?? '',
    protocol: port.protocol ?? 'TCP',
    ...addressesOf(service),
    port: port.port,
    ...(port.nodePort ? { nodePort: port.nodePort } : {}),
    internal: internalTrafficPolicy === 'Local' ? choose(local) : cluster,
    external: externalTrafficPolicy === 'Local' ? choose(local) : cluster,
    ...{ cluster, internalTrafficPolicy, externalTrafficPolicy },
    possiblyHere: [...new Set(here.map((backend) => backend.ip))],
    loadBalancerSourceRanges: spec.loadBalancerSourceRanges ?? [],
    ...(affinity === undefined ? {} : { affinitySeconds: affinity }),
    ...(spec.healthCheckNodePort ? { healthCheckNodePort: spec.healthCheckNodePort } : {}),
    localReady: local.filter((backend) => backend.usable === 'ready').map((backend) => backend.ip),
  };
}

function addressesOf(service: Service): Pick<ServiceRule, 'addresses' | 'clusterIPs' | 'loadBalancerIPs'> {
  const { spec, status } = service;
  const clusterIPs = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  const vips = (status?.loadBalancer?.ingress ?? []).filter((ingress) => ingress.ipMode !== 'Proxy');
  const loadBalancerIPs = vips.flatMap((ingress) => ingress.ip ?? []);
  const addresses = [...new Set([...clusterIPs, ...(spec.externalIPs ?? []), ...loadBalancerIPs])];
  return { addresses, clusterIPs, loadBalancerIPs };
}

function backendsOf(slice: EndpointSlice, port: ServicePort, view: NodeView): Backend[] {
  const target = (slice.ports ?? []).find(
    (one) => (one.name ?? '') === (port.name ?? '') && (one.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
  );
  if (target?.port === undefined || slice.addressType !== 'IPv4') return [];
  const number = target.port;
  return (slice.endpoints ?? []).flatMap((endpoint) => {
    const { nodeName } = endpoint;
    const usable = usability(endpoint);
    const ip = endpoint.addresses[0];
    const reachable = nodeName === undefined || (view.reachable?.(nodeName) ?? true);
    return usable && ip && parseIpv4(ip) !== undefined && reachable ? [{ ip, port: number, nodeName, usable }] : [];
  });
}

function usability(endpoint: Endpoint): Backend['usable'] | undefined {
  const { ready, serving, terminating } = endpoint.conditions ?? {};
  if (ready !== false && !terminating) return 'ready';
  return serving && terminating ? 'draining' : undefined;
}

function choose(backends: readonly Backend[]): SocketAddress[] {
  const ready = backends.filter((backend) => backend.usable === 'ready');
  const chosen = ready.length > 0 ? ready : backends;
  const seen = new Set<string>();
  return chosen.flatMap(({ ip, port }) => {
    const key = `${ip}:${port}`;
    if (seen.has(key)) return [];
    seen.add(key);
    return [{ ip, port }];
  });
}
