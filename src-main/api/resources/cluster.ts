import { isDns1123Subdomain } from '../machinery/names.ts';
import { endpointSliceColumns, leaseColumns, priorityClassColumns } from '../printers/cluster.ts';
import { defaultPriorityClass } from '../defaults/other.ts';
import { defaultEndpointSlice } from '../defaults/service.ts';
import { validateLease, validatePriorityClass, validatePriorityClassUpdate } from '../validation/other.ts';
import { validateEndpointSlice, validateEndpointSliceUpdate } from '../validation/service.ts';
import { define } from './define.ts';
import type { ResourceDefinition } from './definition.ts';

/** Scheduling, coordination and discovery. */
export const clusterResources: readonly ResourceDefinition[] = [
  define({
    group: 'scheduling.k8s.io',
    version: 'v1',
    kind: 'PriorityClass',
    plural: 'priorityclasses',
    applyDefaults: defaultPriorityClass,
    validate: validatePriorityClass,
    validateUpdate: validatePriorityClassUpdate,
    shortNames: ['pc'],
    namespaced: false,
    generationOf: ['value', 'globalDefault', 'description', 'preemptionPolicy'],
    checkName: isDns1123Subdomain,
    columns: priorityClassColumns,
  }),
  define({
    group: 'coordination.k8s.io',
    version: 'v1',
    kind: 'Lease',
    plural: 'leases',
    validate: validateLease,
    allowCreateOnUpdate: true,
    requiresResourceVersion: true,
    checkName: isDns1123Subdomain,
    columns: leaseColumns,
  }),
  define({
    group: 'discovery.k8s.io',
    version: 'v1',
    kind: 'EndpointSlice',
    plural: 'endpointslices',
    applyDefaults: defaultEndpointSlice,
    validate: validateEndpointSlice,
    validateUpdate: validateEndpointSliceUpdate,
    generationOf: ['endpoints', 'ports'],
    checkName: isDns1123Subdomain,
    columns: endpointSliceColumns,
  }),
];
