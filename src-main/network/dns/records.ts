import type { Endpoint, EndpointSlice, Service } from '#api/gen/types';

/** The caches the DNS answers from. */
export interface DnsSource {
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, name: string): readonly EndpointSlice[];
  namespaceExists(name: string): boolean;
  /** The service whose cluster IP is `ip`, for reverse look-ups. */
  serviceByIp(ip: string): Service | undefined;
  /** The named endpoint of a headless service with that address, for reverse look-ups. */
  endpointByIp(
    ip: string,
  ): { readonly namespace: string; readonly service: string; readonly endpoint: Endpoint } | undefined;
}

export type DnsRecord =
  | { readonly type: 'A'; readonly name: string; readonly address: string }
  | { readonly type: 'CNAME'; readonly name: string; readonly target: string }
  | { readonly type: 'PTR'; readonly name: string; readonly target: string }
  | { readonly type: 'SRV'; readonly name: string; readonly port: number; readonly target: string };

/** What a name resolves to. `exists` false is NXDOMAIN; true without records is an empty answer. */
export interface Resolution {
  readonly exists: boolean;
  readonly answers: readonly DnsRecord[];
  /** Addresses of SRV targets. */
  readonly additional: readonly DnsRecord[];
}

const missing: Resolution = { exists: false, answers: [], additional: [] };
const empty: Resolution = { exists: true, answers: [], additional: [] };

/**
 * Names inside the cluster domain, by the Kubernetes DNS specification 1.1.0:
 * `<svc>.<ns>.svc`, `<endpoint>.<svc>.<ns>.svc`, `_<port>._<proto>.<svc>.<ns>.svc` (SRV), `<a-b-c-d>.<ns>.pod`.
 * `labels` are those left of the cluster domain, lower case.
 */
export function resolveClusterName(
  source: DnsSource,
  domain: string,
  labels: readonly string[],
  type: string,
): Resolution {
  const kind = labels[labels.length - 1];
  const namespace = labels[labels.length - 2];
  if (labels.length === 0) return empty;
  if (kind === 'pod') return resolvePod(source, domain, labels, type);
  if (kind !== 'svc') return missing;
  if (namespace === undefined) return empty;
  const serviceName = labels[labels.length - 3];
  if (serviceName === undefined) return source.namespaceExists(namespace) ? empty : missing;
  const service = source.service(namespace, serviceName);
  if (!service) return missing;
  const rest = labels.slice(0, -3);
  const zone = `${serviceName}.${namespace}.svc.${domain}`;
  if (service.spec.type === 'ExternalName') return rest.length === 0 ? externalName(service, zone) : missing;
  if (service.spec.clusterIP === 'None')
    return resolveHeadless(source.slices(namespace, serviceName), service, zone, rest, type);
  return resolveClusterIp(service, zone, rest, type);
}

function externalName(service: Service, zone: string): Resolution {
  const target = service.spec.externalName ?? '';
  return { exists: true, answers: [{ type: 'CNAME', name: zone, target }], additional: [] };
}

function resolveClusterIp(service: Service, zone: string, rest: readonly string[], type: string): Resolution {
  const address = service.spec.clusterIP ?? '';
  if (rest.length === 0) return answersFor(type, [{ type: 'A', name: zone, address }], srvOf(service, zone, zone));
  const ports = matchingPorts(service, rest);
  if (ports.length === 0) return missing;
  if (type !== 'SRV') return empty;
  const name = `${rest.join('.')}.${zone}`;
  return {
    exists: true,
    answers: ports.map((port) => ({ type: 'SRV', name, port: port.port, target: zone })),
    additional: [{ type: 'A', name: zone, address }],
  };
}

function srvOf(service: Service, name: string, target: string): DnsRecord[] {
  return (service.spec.ports ?? []).map((port) => ({ type: 'SRV', name, port: port.port, target }));
}

function matchingPorts(service: Service, rest: readonly string[]): NonNullable<Service['spec']['ports']> {
  const [port, protocol, ...more] = rest;
  if (more.length > 0 || !port?.startsWith('_') || !protocol?.startsWith('_')) return [];
  return (service.spec.ports ?? []).filter(
    (one) => `_${one.name ?? ''}` === port && `_${(one.protocol ?? 'TCP').toLowerCase()}` === protocol,
  );
}

function resolveHeadless(
  slices: readonly EndpointSlice[],
  service: Service,
  zone: string,
  rest: readonly string[],
  type: string,
): Resolution {
  const everyone = service.spec.publishNotReadyAddresses === true;
  const endpoints = slices.flatMap((slice) =>
    slice.addressType === 'IPv4'
      ? (slice.endpoints ?? []).filter((one) => everyone || one.conditions?.ready !== false)
      : [],
  );
  if (rest.length === 0) {
    const addresses = endpoints.flatMap((one): DnsRecord[] =>
      one.addresses.map((address) => ({ type: 'A', name: zone, address })),
    );
    return addresses.length > 0 ? answersFor(type, addresses, []) : missing;
  }
  const named = endpoints.filter((one) => endpointLabel(one) === rest[0]);
  if (rest.length === 1 && named.length > 0) {
    const name = `${rest[0] ?? ''}.${zone}`;
    return answersFor(
      type,
      named.flatMap((one): DnsRecord[] => one.addresses.map((address) => ({ type: 'A', name, address }))),
      [],
    );
  }
  return headlessSrv(slices, endpoints, zone, rest, type);
}

function headlessSrv(
  slices: readonly EndpointSlice[],
  endpoints: readonly Endpoint[],
  zone: string,
  rest: readonly string[],
  type: string,
): Resolution {
  const [port, protocol] = rest;
  const number = slices
    .flatMap((slice) => slice.ports ?? [])
    .find((one) => `_${one.name ?? ''}` === port && `_${(one.protocol ?? 'TCP').toLowerCase()}` === protocol)?.port;
  if (rest.length !== 2 || number === undefined) return missing;
  if (type !== 'SRV') return empty;
  const name = `${rest.join('.')}.${zone}`;
  const targets = endpoints.map((one) => ({
    target: `${endpointLabel(one)}.${zone}`,
    address: one.addresses[0] ?? '',
  }));
  return {
    exists: true,
    answers: targets.map(({ target }) => ({ type: 'SRV', name, port: number, target })),
    additional: targets.map(({ target, address }) => ({ type: 'A', name: target, address })),
  };
}

/** The host name of an endpoint, or its address with dashes. */
export function endpointLabel(endpoint: Endpoint): string {
  return endpoint.hostname ?? (endpoint.addresses[0] ?? '').replace(/\./g, '-');
}

function resolvePod(source: DnsSource, domain: string, labels: readonly string[], type: string): Resolution {
  const [address, namespace] = labels;
  if (labels.length !== 3 || !namespace || !address || !/^(\d{1,3}-){3}\d{1,3}$/.test(address)) return missing;
  if (!source.namespaceExists(namespace)) return missing;
  return answersFor(
    type,
    [{ type: 'A', name: `${labels.join('.')}.${domain}`, address: address.replace(/-/g, '.') }],
    [],
  );
}

function answersFor(type: string, addresses: readonly DnsRecord[], services: readonly DnsRecord[]): Resolution {
  if (type === 'A' || type === 'ANY') return { exists: true, answers: addresses, additional: [] };
  if (type === 'SRV') return { exists: true, answers: services, additional: services.length > 0 ? addresses : [] };
  return empty;
}

/** `10.0.96.10` read backwards from `10.96.0.10.in-addr.arpa`; undefined when it is no such name. */
export function addressOfReverseName(name: string): string | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  return match ? `${match[4]}.${match[3]}.${match[2]}.${match[1]}` : undefined;
}

export function resolveReverse(source: DnsSource, domain: string, name: string, ip: string): Resolution {
  const service = source.serviceByIp(ip);
  const { namespace = '', name: serviceName = '' } = service?.metadata ?? {};
  if (service) {
    return {
      exists: true,
      answers: [{ type: 'PTR', name, target: `${serviceName}.${namespace}.svc.${domain}` }],
      additional: [],
    };
  }
  const found = source.endpointByIp(ip);
  if (!found) return missing;
  const target = `${endpointLabel(found.endpoint)}.${found.service}.${found.namespace}.svc.${domain}`;
  return { exists: true, answers: [{ type: 'PTR', name, target }], additional: [] };
}
