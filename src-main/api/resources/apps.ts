import type { ReplicaSet } from '#api/gen/types';
import { isDns1123Label, isDns1123Subdomain } from '../machinery/names.ts';
import * as columns from '../printers/workloads.ts';
import { define, scale, status } from './define.ts';
import type { ResourceDefinition } from './definition.ts';

const apps = { group: 'apps', version: 'v1' } as const;
const workload = {
  ...apps,
  categories: ['all'],
  hasStatus: true,
  generationOf: ['spec'],
  checkName: isDns1123Subdomain,
} as const;

export const appsResources: readonly ResourceDefinition[] = [
  define({
    ...apps,
    kind: 'ControllerRevision',
    plural: 'controllerrevisions',
    checkName: isDns1123Subdomain,
    columns: columns.controllerRevisionColumns,
  }),
  define({
    ...workload,
    kind: 'DaemonSet',
    plural: 'daemonsets',
    shortNames: ['ds'],
    subresources: [status('apps', 'v1', 'DaemonSet')],
    columns: columns.daemonSetColumns,
  }),
  define({
    ...workload,
    kind: 'Deployment',
    plural: 'deployments',
    shortNames: ['deploy'],
    subresources: [scale, status('apps', 'v1', 'Deployment')],
    columns: columns.deploymentColumns,
  }),
  define<ReplicaSet>({
    ...workload,
    kind: 'ReplicaSet',
    plural: 'replicasets',
    shortNames: ['rs'],
    subresources: [scale, status('apps', 'v1', 'ReplicaSet')],
    fields: { 'status.replicas': (set) => String(set.status?.replicas ?? 0) },
    columns: columns.replicaSetColumns,
  }),
  define({
    ...workload,
    kind: 'StatefulSet',
    plural: 'statefulsets',
    shortNames: ['sts'],
    checkName: isDns1123Label,
    subresources: [scale, status('apps', 'v1', 'StatefulSet')],
    columns: columns.statefulSetColumns,
  }),
];
