import { isDns1123Subdomain } from '../machinery/names.ts';
import { endpointSliceColumns, leaseColumns, priorityClassColumns } from '../printers/cluster.ts';
import { define } from './define.ts';
import type { ResourceDefinition } from './definition.ts';

/** Scheduling, coordination and discovery. */
export const clusterResources: readonly ResourceDefinition[] = [
  define({
    group: 'scheduling.k8s.io',
    version: 'v1',
    kind: 'PriorityClass',
    plural: 'priorityclasses',
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
    generationOf: ['endpoints', 'ports'],
    checkName: isDns1123Subdomain,
    columns: endpointSliceColumns,
  }),
];
