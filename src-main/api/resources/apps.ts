import type { ReplicaSet } from '#api/gen/types';
import { isDns1123Label, isDns1123Subdomain } from '../machinery/names.ts';
import * as columns from '../printers/workloads.ts';
import * as defaults from '../defaults/workloads.ts';
import { validateControllerRevision, validateControllerRevisionUpdate } from '../validation/other.ts';
import * as validation from '../validation/workloads.ts';
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
    validate: validateControllerRevision,
    validateUpdate: validateControllerRevisionUpdate,
    checkName: isDns1123Subdomain,
    columns: columns.controllerRevisionColumns,
  }),
  define({
    ...workload,
    kind: 'DaemonSet',
    plural: 'daemonsets',
    applyDefaults: defaults.defaultDaemonSet,
    initialStatus: { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 },
    validate: validation.validateDaemonSet,
    validateUpdate: validation.validateSelectorUpdate,
    shortNames: ['ds'],
    subresources: [status('apps', 'v1', 'DaemonSet')],
    columns: columns.daemonSetColumns,
  }),
  define({
    ...workload,
    kind: 'Deployment',
    plural: 'deployments',
    annotationsRaiseGeneration: true,
    applyDefaults: defaults.defaultDeployment,
    validate: validation.validateDeployment,
    validateUpdate: validation.validateSelectorUpdate,
    shortNames: ['deploy'],
    subresources: [scale, status('apps', 'v1', 'Deployment')],
    columns: columns.deploymentColumns,
  }),
  define<ReplicaSet>({
    ...workload,
    kind: 'ReplicaSet',
    plural: 'replicasets',
    applyDefaults: defaults.defaultReplicaSet,
    initialStatus: { replicas: 0 },
    validate: validation.validateReplicaSet,
    validateUpdate: validation.validateSelectorUpdate,
    shortNames: ['rs'],
    subresources: [scale, status('apps', 'v1', 'ReplicaSet')],
    fields: { 'status.replicas': (set) => String(set.status?.replicas ?? 0) },
    columns: columns.replicaSetColumns,
  }),
  define({
    ...workload,
    kind: 'StatefulSet',
    plural: 'statefulsets',
    applyDefaults: defaults.defaultStatefulSet,
    initialStatus: { replicas: 0, availableReplicas: 0 },
    validate: validation.validateStatefulSet,
    validateUpdate: validation.validateStatefulSetUpdate,
    shortNames: ['sts'],
    checkName: isDns1123Label,
    subresources: [scale, status('apps', 'v1', 'StatefulSet')],
    columns: columns.statefulSetColumns,
  }),
];
