import type { Endpoint, EndpointSlice, Service, ServicePort } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import type { SocketAddress } from '#base/streams';

/** One port of one Service as one node must forward it. Backends of every kind are made from these. */
export interface ServiceRule {
  /** `namespace/name`. */
  readonly service: string;
  readonly portName: string;
  readonly protocol: string;
  /** Cluster IPs, external IPs and load-balancer addresses. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly nodePort?: number;
  /** Backends for traffic from inside, after `internalTrafficPolicy`. */
  readonly internal: readonly SocketAddress[];
  /** Backends for traffic from outside, after `externalTrafficPolicy`. */
  readonly external: readonly SocketAddress[];
  /** ClientIP session affinity in seconds. */
  readonly affinitySeconds?: number;
}

interface Backend extends SocketAddress {
  readonly nodeName: string | undefined;
  readonly usable: 'ready' | 'draining';
}

/**
 * The rules for `nodeName` (pkg/proxy of kube-proxy, release 1.36): ready endpoints, or, when there is none, those that
 * serve while they terminate; a policy of `Local` keeps the node's own. Headless and ExternalName services have no rules.
 */
export function serviceRules(
  services: readonly Service[],
  slicesOf: (service: Service) => readonly EndpointSlice[],
  nodeName: string,
): ServiceRule[] {
  const rules: ServiceRule[] = [];
  for (const service of services) {
    const { clusterIP, type } = service.spec;
    if (type === 'ExternalName' || !clusterIP || clusterIP === 'None') continue;
    const slices = slicesOf(service);
    for (const port of service.spec.ports ?? []) rules.push(ruleOf(service, port, slices, nodeName));
  }
  return rules;
}

function ruleOf(service: Service, port: ServicePort, slices: readonly EndpointSlice[], nodeName: string): ServiceRule {
  const { spec } = service;
  const all = slices.flatMap((slice) => backendsOf(slice, port));
  const local = all.filter((backend) => backend.nodeName === nodeName);
  const affinity =
    spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10800) : undefined;
  return {
    service: objectKey(service),
    portName: port.name ?? '',
    protocol: port.protocol ?? 'TCP',
    addresses: [
      ...(spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : [])),
      ...(spec.externalIPs ?? []),
      ...(service.status?.loadBalancer?.ingress ?? []).flatMap((ingress) => ingress.ip ?? []),
    ],
    port: port.port,
    ...(port.nodePort ? { nodePort: port.nodePort } : {}),
    internal: choose(spec.internalTrafficPolicy === 'Local' ? local : all),
    external: choose(spec.externalTrafficPolicy === 'Local' ? local : all),
    ...(affinity === undefined ? {} : { affinitySeconds: affinity }),
  };
}

function backendsOf(slice: EndpointSlice, port: ServicePort): Backend[] {
  const target = (slice.ports ?? []).find(
    (one) => (one.name ?? '') === (port.name ?? '') && (one.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
  );
  if (target?.port === undefined || slice.addressType !== 'IPv4') return [];
  const number = target.port;
  return (slice.endpoints ?? []).flatMap((endpoint) => {
    const usable = usability(endpoint);
    const ip = endpoint.addresses[0];
    return usable && ip ? [{ ip, port: number, nodeName: endpoint.nodeName, usable }] : [];
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
