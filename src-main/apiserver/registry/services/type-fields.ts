import type { ServiceSpec } from '#api/gen/types';
import { omit } from '#api/machinery/meta';

/** Whether ports of a Service of this kind may have node ports. */
export function hasNodePorts({ type }: ServiceSpec): boolean {
  return type === 'NodePort' || type === 'LoadBalancer';
}

/** Whether ports that name no node port are given one. */
export function allocatesNodePorts(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
}

/** Whether a load balancer has to ask each node if it has endpoints, at a port of its own. */
export function needsHealthCheckPort({ type, externalTrafficPolicy }: ServiceSpec): boolean {
  return type === 'LoadBalancer' && externalTrafficPolicy === 'Local';
}

const isReachable = (spec: ServiceSpec): boolean =>
  hasNodePorts(spec) || (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0);
const isBalanced = ({ type }: ServiceSpec): boolean => type === 'LoadBalancer';

type Field = 'healthCheckNodePort' | 'externalTrafficPolicy' | 'allocateLoadBalancerNodePorts' | 'loadBalancerClass';

const fields: readonly (readonly [Field, (spec: ServiceSpec) => boolean])[] = [
  ['healthCheckNodePort', needsHealthCheckPort],
  ['externalTrafficPolicy', isReachable],
  ['allocateLoadBalancerNodePorts', isBalanced],
  ['loadBalancerClass', isBalanced],
];

/**
 * Drops what the writer took over from a version of another type without meaning it (`dropTypeDependentFields` of
 * registry/core/service, release 1.36): a changed value stays, and is turned down by validation.
 */
export function dropFieldsOfOldType(next: ServiceSpec, old: ServiceSpec): ServiceSpec {
  const left = fields.filter(([name, has]) => has(old) && !has(next) && next[name] === old[name]);
  const names = left.map(([name]) => name).filter((name) => next[name] !== undefined);
  return names.length === 0 ? next : (omit(next, ...names) as ServiceSpec);
}
