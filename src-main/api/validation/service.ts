import type { Endpoints, EndpointSlice, Service, ServicePort } from '#api/gen/types';
import { parseIpv4 } from '#base/ip';
import { jsonEqual } from '#base/freeze';
import { isDns1123Label, isDns1123Subdomain, isPortNumber } from '../machinery/names.ts';
import { validatePort } from './containers.ts';
import { duplicate, forbidden, invalid, required, tooMany, type FieldError } from './errors.ts';
import { byName, each, oneOf, validateLabels } from './metadata.ts';
import { validateExternalTraffic, validateExternalTrafficUpdate } from './service-external.ts';

/** Rules of services and endpoints (`pkg/apis/core/validation`, `pkg/apis/discovery/validation`, release 1.36). */

const protocols = ['SCTP', 'TCP', 'UDP'];
const ipMessage = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

const isIp = (text: string): boolean => parseIpv4(text) !== undefined || /^[0-9a-f:.]*:[0-9a-f:.]*$/i.test(text);

function validateServicePort(port: ServicePort, path: string, named: boolean, names: Set<string>): FieldError[] {
  const errors: FieldError[] = [];
  if (!port.name) {
    if (named) errors.push(required(`${path}.name`));
  } else {
    errors.push(...byName(isDns1123Label, port.name, `${path}.name`));
    if (names.has(port.name)) errors.push(duplicate(`${path}.name`, port.name));
    names.add(port.name);
  }
  errors.push(...isPortNumber(port.port).map((detail) => invalid(`${path}.port`, port.port, detail)));
  errors.push(...oneOf(port.protocol, protocols, `${path}.protocol`));
  if (port.targetPort !== undefined) errors.push(...validatePort(port.targetPort, `${path}.targetPort`));
  return errors;
}

function validatePorts(service: Service): FieldError[] {
  const { ports = [], type, clusterIP } = service.spec;
  if (ports.length === 0 && type !== 'ExternalName' && clusterIP !== 'None') return [required('spec.ports')];
  const names = new Set<string>();
  const seen = new Set<string>();
  const nodePorts = new Set<string>();
  return each(ports, 'spec.ports', (port, at) => {
    const errors = validateServicePort(port, at, ports.length > 1, names);
    const key = `${port.protocol ?? ''}/${port.port}`;
    if (seen.has(key)) errors.push(duplicate(at, { protocol: port.protocol, port: port.port }));
    seen.add(key);
    if (port.nodePort && (type === 'ClusterIP' || type === 'ExternalName')) {
      errors.push(forbidden(`${at}.nodePort`, `may not be used when \`type\` is '${type}'`));
    }
    const nodeKey = `${port.protocol ?? ''}/${port.nodePort ?? ''}`;
    if (port.nodePort && nodePorts.has(nodeKey)) errors.push(duplicate(`${at}.nodePort`, port.nodePort));
    nodePorts.add(nodeKey);
    return errors;
  });
}

export function validateService(service: Service): FieldError[] {
  const { spec } = service;
  if (!spec) return [required('spec.ports')];
  const errors = [
    ...validatePorts(service),
    ...validateLabels(spec.selector, 'spec.selector'),
    ...oneOf(spec.type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'], 'spec.type'),
    ...oneOf(spec.sessionAffinity, ['ClientIP', 'None'], 'spec.sessionAffinity'),
    ...each(spec.externalIPs, 'spec.externalIPs', (ip, at) => (isIp(ip) ? [] : [invalid(at, ip, ipMessage)])),
    ...validateExternalTraffic(service),
  ];
  if (spec.type === 'ExternalName') {
    if (!spec.externalName) errors.push(required('spec.externalName'));
    else errors.push(...byName(isDns1123Subdomain, spec.externalName.replace(/\.$/, ''), 'spec.externalName'));
    if (spec.clusterIP) errors.push(forbidden('spec.clusterIPs[0]', 'may not be set for ExternalName services'));
  } else if (spec.clusterIP === 'None' && spec.type !== 'ClusterIP') {
    errors.push(
      invalid('spec.clusterIPs[0]', spec.clusterIP, `may not be set to 'None' for ${spec.type ?? ''} services`),
    );
  } else if (spec.clusterIP && spec.clusterIP !== 'None' && !isIp(spec.clusterIP)) {
    errors.push(invalid('spec.clusterIPs[0]', spec.clusterIP, ipMessage));
  }
  if (spec.clusterIP !== undefined && spec.clusterIPs?.[0] !== undefined && spec.clusterIP !== spec.clusterIPs[0]) {
    errors.push(invalid('spec.clusterIPs', spec.clusterIPs, 'first value must match `clusterIP`'));
  }
  return errors;
}

/** The address of a service that keeps its type is set for good. */
export function validateServiceUpdate(next: Service, old: Service): FieldError[] {
  const external = next.spec.type === 'ExternalName' || old.spec.type === 'ExternalName';
  const before = old.spec.clusterIP;
  const traffic = validateExternalTrafficUpdate(next, old);
  if (external || !before || next.spec.clusterIP === before) return traffic;
  return [
    ...traffic,
    invalid('spec.clusterIPs[0]', next.spec.clusterIPs ?? [next.spec.clusterIP ?? ''], 'may not change once set'),
  ];
}

export function validateEndpoints(endpoints: Endpoints): FieldError[] {
  return each(endpoints.subsets, 'subsets', (subset, path) => {
    const errors: FieldError[] = [];
    const none = (subset.addresses ?? []).length + (subset.notReadyAddresses ?? []).length === 0;
    if (none) errors.push(required(path, 'must specify `addresses` or `notReadyAddresses`'));
    const address = ({ ip }: { readonly ip: string }, at: string) =>
      isIp(ip) ? [] : [invalid(`${at}.ip`, ip, ipMessage)];
    return [
      ...errors,
      ...each(subset.addresses, `${path}.addresses`, address),
      ...each(subset.notReadyAddresses, `${path}.notReadyAddresses`, address),
      ...each(subset.ports, `${path}.ports`, ({ port, protocol }, at) => [
        ...isPortNumber(port).map((detail) => invalid(`${at}.port`, port, detail)),
        ...oneOf(protocol, protocols, `${at}.protocol`),
      ]),
    ];
  });
}

const maxAddresses = 100;
const maxEndpoints = 1000;

export function validateEndpointSlice(slice: EndpointSlice): FieldError[] {
  const count = slice.endpoints?.length ?? 0;
  const names = new Set<string>();
  return [
    ...oneOf(slice.addressType, ['FQDN', 'IPv4', 'IPv6'], 'addressType'),
    ...(count > maxEndpoints ? [tooMany('endpoints', count, maxEndpoints)] : []),
    ...each(slice.endpoints, 'endpoints', ({ addresses = [] }, at) => {
      if (addresses.length === 0) return [required(`${at}.addresses`, 'must contain at least 1 address')];
      if (addresses.length > maxAddresses) return [tooMany(`${at}.addresses`, addresses.length, maxAddresses)];
      return slice.addressType === 'IPv4'
        ? each(addresses, `${at}.addresses`, (ip, where) =>
            parseIpv4(ip) === undefined ? [invalid(where, ip, ipMessage)] : [],
          )
        : [];
    }),
    ...each(slice.ports, 'ports', ({ name = '', protocol }, at) => {
      const repeated = names.has(name);
      names.add(name);
      return [...(repeated ? [duplicate(`${at}.name`, name)] : []), ...oneOf(protocol, protocols, `${at}.protocol`)];
    }),
  ];
}

export function validateEndpointSliceUpdate(next: EndpointSlice, old: EndpointSlice): FieldError[] {
  return jsonEqual(next.addressType, old.addressType)
    ? []
    : [invalid('addressType', next.addressType, 'field is immutable')];
}
