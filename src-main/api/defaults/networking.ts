import type { NetworkPolicy, NetworkPolicyPort } from '#api/gen/types';
import { mapShared, replaceFields, withDefaults } from './pod.ts';

/** Defaults of network policies (`pkg/apis/networking/v1/defaults.go`, release 1.36). */

const withProtocol = (port: NetworkPolicyPort): NetworkPolicyPort => withDefaults(port, { protocol: 'TCP' });

function defaultPorts<T extends { readonly ports?: readonly NetworkPolicyPort[] }>(rule: T): T {
  const ports = mapShared(rule.ports, withProtocol);
  return ports === rule.ports ? rule : { ...rule, ports };
}

/** Without `policyTypes` a policy is about what comes in, and about what goes out if it has a rule for that. */
export function defaultNetworkPolicy(policy: NetworkPolicy): NetworkPolicy {
  const { spec } = policy;
  if (typeof spec !== 'object' || spec === null) return policy;
  const ingress = mapShared(spec.ingress, defaultPorts);
  const egress = mapShared(spec.egress, defaultPorts);
  const policyTypes = spec.policyTypes?.length ? spec.policyTypes : ['Ingress', ...(egress?.length ? ['Egress'] : [])];
  return replaceFields(policy, {
    spec: replaceFields(spec, { policyTypes, ...(ingress ? { ingress } : {}), ...(egress ? { egress } : {}) }),
  });
}
