import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '#api/gen/types';
import { isPortNumber } from '../machinery/names.ts';
import { validatePort } from './containers.ts';
import { forbidden, invalid, notSupported, required, type FieldError } from './errors.ts';
import { isStrictSubset, parseIpRange } from './ip-range.ts';
import { each, validateLabelSelector } from './metadata.ts';

/** Rules of network policies (`pkg/apis/networking/validation`, release 1.36). */

const protocols = ['TCP', 'UDP', 'SCTP'];
const policyTypes = ['Ingress', 'Egress'];
const cidrMessage = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

function validateEndPort({ port, endPort }: NetworkPolicyPort, path: string): FieldError[] {
  const at = `${path}.endPort`;
  if (endPort === undefined) return [];
  if (port === undefined) return [invalid(at, endPort, 'may not be specified when `port` is not specified')];
  if (typeof port !== 'number') return [invalid(at, endPort, 'may not be specified when `port` is non-numeric')];
  return [
    ...(endPort < port ? [invalid(at, port, 'must be greater than or equal to `port`')] : []),
    ...isPortNumber(endPort).map((detail) => invalid(at, endPort, detail)),
  ];
}

function validatePolicyPort(port: NetworkPolicyPort, path: string): FieldError[] {
  const { protocol } = port;
  return [
    ...(protocol === undefined || protocols.includes(protocol)
      ? []
      : [notSupported(`${path}.protocol`, protocol, protocols)]),
    ...(port.port === undefined ? [] : validatePort(port.port, `${path}.port`)),
    ...validateEndPort(port, path),
  ];
}

function validateIpBlock({ cidr, except }: IPBlock, path: string): FieldError[] {
  if (!cidr) return [required(`${path}.cidr`)];
  const outer = parseIpRange(cidr);
  if (!outer) return [invalid(`${path}.cidr`, cidr, cidrMessage)];
  return each(except, `${path}.except`, (text, at) => {
    const inner = parseIpRange(text);
    if (!inner) return [invalid(at, text, cidrMessage)];
    return isStrictSubset(inner, outer) ? [] : [invalid(at, text, 'must be a strict subset of `cidr`')];
  });
}

function validatePeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, path: string): FieldError[] {
  const selects = podSelector !== undefined || namespaceSelector !== undefined;
  if (!selects && ipBlock === undefined) return [required(path, 'must specify a peer')];
  return [
    ...validateLabelSelector(podSelector, `${path}.podSelector`),
    ...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`),
    ...(ipBlock ? validateIpBlock(ipBlock, `${path}.ipBlock`) : []),
    ...(selects && ipBlock ? [forbidden(path, 'may not specify both ipBlock and another peer')] : []),
  ];
}

function validatePolicyTypes(types: readonly string[] | undefined): FieldError[] {
  const path = 'spec.policyTypes';
  if ((types ?? []).length > policyTypes.length) {
    return [invalid(path, types, 'may not specify more than two policyTypes')];
  }
  return each(types, path, (type, at) => (policyTypes.includes(type) ? [] : [notSupported(at, type, policyTypes)]));
}

export function validateNetworkPolicy({ spec }: NetworkPolicy): FieldError[] {
  return [
    ...validateLabelSelector(spec?.podSelector, 'spec.podSelector'),
    ...each(spec?.ingress, 'spec.ingress', (rule, at) => [
      ...each(rule.ports, `${at}.ports`, validatePolicyPort),
      ...each(rule.from, `${at}.from`, validatePeer),
    ]),
    ...each(spec?.egress, 'spec.egress', (rule, at) => [
      ...each(rule.ports, `${at}.ports`, validatePolicyPort),
      ...each(rule.to, `${at}.to`, validatePeer),
    ]),
    ...validatePolicyTypes(spec?.policyTypes),
  ];
}
