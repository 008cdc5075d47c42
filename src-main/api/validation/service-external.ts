import type { Service } from '#api/gen/types';
import { isPortNumber, isQualifiedName } from '../machinery/names.ts';
import { forbidden, invalid, notSupported, required, type FieldError } from './errors.ts';
import { parseIpRange } from './ip-range.ts';
import { byName, each } from './metadata.ts';

/** What Services say about traffic from outside (`pkg/apis/core/validation`, release 1.36). */

const policies = ['Cluster', 'Local'];
const onlyBalanced = "may only be used when `type` is 'LoadBalancer'";

function validatePolicies({ spec }: Service): FieldError[] {
  const { type, externalIPs = [], externalTrafficPolicy: external, internalTrafficPolicy: internal } = spec;
  const reachable = type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && externalIPs.length > 0);
  const errors: FieldError[] = [];
  if (external !== undefined && !reachable) {
    const detail = 'may only be set for externally-accessible services';
    errors.push(invalid('spec.externalTrafficPolicy', external, detail));
  } else if (reachable && external === undefined) errors.push(required('spec.externalTrafficPolicy'));
  else if (external !== undefined && !policies.includes(external)) {
    errors.push(notSupported('spec.externalTrafficPolicy', external, policies));
  }
  if (internal !== undefined && !policies.includes(internal)) {
    errors.push(notSupported('spec.internalTrafficPolicy', internal, policies));
  }
  return errors;
}

function validateHealthCheckPort({ spec }: Service): FieldError[] {
  const { healthCheckNodePort: port = 0, type, externalTrafficPolicy } = spec;
  if (port === 0) return [];
  if (type === 'LoadBalancer' && externalTrafficPolicy === 'Local') {
    return isPortNumber(port).map((detail) => invalid('spec.healthCheckNodePort', port, detail));
  }
  const detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
  return [invalid('spec.healthCheckNodePort', port, detail)];
}

export function validateExternalTraffic(service: Service): FieldError[] {
  const { type, loadBalancerClass, allocateLoadBalancerNodePorts, loadBalancerSourceRanges } = service.spec;
  const errors = [...validatePolicies(service), ...validateHealthCheckPort(service)];
  if (type === 'LoadBalancer') {
    if (allocateLoadBalancerNodePorts === undefined) errors.push(required('spec.allocateLoadBalancerNodePorts'));
    if (loadBalancerClass !== undefined) {
      errors.push(...byName(isQualifiedName, loadBalancerClass, 'spec.loadBalancerClass'));
    }
    const detail = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
    return [
      ...errors,
      ...each(loadBalancerSourceRanges, 'spec.loadBalancerSourceRanges', (range, at) =>
        parseIpRange(range.trim()) ? [] : [invalid(at, range, detail)],
      ),
    ];
  }
  if (allocateLoadBalancerNodePorts !== undefined) {
    errors.push(forbidden('spec.allocateLoadBalancerNodePorts', onlyBalanced));
  }
  if (loadBalancerClass !== undefined) errors.push(forbidden('spec.loadBalancerClass', onlyBalanced));
  if ((loadBalancerSourceRanges ?? []).length > 0) {
    errors.push(forbidden('spec.loadBalancerSourceRanges', onlyBalanced));
  }
  return errors;
}

/** What a load balancer was set up by stays while the Service is one. */
export function validateExternalTrafficUpdate({ spec: next }: Service, { spec: old }: Service): FieldError[] {
  if (next.type !== 'LoadBalancer' || old.type !== 'LoadBalancer') return [];
  const errors: FieldError[] = [];
  if (next.loadBalancerClass !== old.loadBalancerClass) {
    errors.push(invalid('spec.loadBalancerClass', next.loadBalancerClass ?? null, 'field is immutable'));
  }
  const local = next.externalTrafficPolicy === 'Local' && old.externalTrafficPolicy === 'Local';
  if (local && next.healthCheckNodePort !== old.healthCheckNodePort) {
    errors.push(invalid('spec.healthCheckNodePort', next.healthCheckNodePort ?? 0, 'field is immutable'));
  }
  return errors;
}
