import type { Ingress, IngressClass, NetworkPolicy } from '#api/gen/types';
import { defaultNetworkPolicy } from '../defaults/networking.ts';
import { isDns1123Subdomain } from '../machinery/names.ts';
import { ingressClassColumns, ingressColumns, networkPolicyColumns } from '../printers/networking.ts';
import { validateIngress, validateIngressClass, validateIngressClassUpdate } from '../validation/ingress.ts';
import { validateNetworkPolicy } from '../validation/network-policy.ts';
import { define, status } from './define.ts';
import type { ResourceDefinition } from './definition.ts';

const networking = {
  group: 'networking.k8s.io',
  version: 'v1',
  generationOf: ['spec'],
  checkName: isDns1123Subdomain,
} as const;

/** Policies are enforced by the nodes; ingresses are kept for a controller that a user may run. */
export const networkingResources: readonly ResourceDefinition[] = [
  define<IngressClass>({
    ...networking,
    kind: 'IngressClass',
    plural: 'ingressclasses',
    namespaced: false,
    validate: validateIngressClass,
    validateUpdate: validateIngressClassUpdate,
    columns: ingressClassColumns,
  }),
  define<Ingress>({
    ...networking,
    kind: 'Ingress',
    plural: 'ingresses',
    storage: 'ingress',
    hasStatus: true,
    initialStatus: { loadBalancer: {} },
    validate: validateIngress,
    shortNames: ['ing'],
    subresources: [status('networking.k8s.io', 'v1', 'Ingress')],
    columns: ingressColumns,
  }),
  define<NetworkPolicy>({
    ...networking,
    kind: 'NetworkPolicy',
    plural: 'networkpolicies',
    applyDefaults: defaultNetworkPolicy,
    validate: validateNetworkPolicy,
    shortNames: ['netpol'],
    columns: networkPolicyColumns,
  }),
];
