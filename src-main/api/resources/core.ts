import type { CoreV1Event, Namespace, Node, Pod, ReplicationController, Secret, Service } from '#api/gen/types';
import { isDns1035Label, isDns1123Label, isDns1123Subdomain } from '../machinery/names.ts';
import * as columns from '../printers/core.ts';
import { createdAt } from '../printers/cluster.ts';
import { nameColumn } from '../printers/common.ts';
import { podColumns } from '../printers/pod.ts';
import { podTemplateColumns, replicationControllerColumns } from '../printers/workloads.ts';
import { defaultClaim, defaultNamespace, defaultVolume } from '../defaults/other.ts';
import { defaultPod } from '../defaults/pod.ts';
import { defaultEndpoints, defaultSecret, defaultService } from '../defaults/service.ts';
import { defaultPodTemplate, defaultReplicationController } from '../defaults/workloads.ts';
import * as other from '../validation/other.ts';
import { validatePod, validatePodUpdate } from '../validation/pod.ts';
import { validateEndpoints, validateService, validateServiceUpdate } from '../validation/service.ts';
import { validateReplicationController } from '../validation/workloads.ts';
import * as hooks from './core-hooks.ts';
import { define, scale, status } from './define.ts';
import type { ResourceDefinition, Subresource } from './definition.ts';

const v1 = { group: '', version: 'v1' } as const;
const connect = (name: string, kind: string, verbs: Subresource['verbs'] = ['create', 'get']): Subresource => ({
  ...v1,
  name,
  kind,
  verbs,
});

const podSubresources: readonly Subresource[] = [
  connect('attach', 'PodAttachOptions'),
  connect('binding', 'Binding', ['create']),
  connect('ephemeralcontainers', 'Pod', ['get', 'patch', 'update']),
  { name: 'eviction', group: 'policy', version: 'v1', kind: 'Eviction', verbs: ['create'] },
  connect('exec', 'PodExecOptions'),
  connect('log', 'Pod', ['get']),
  connect('portforward', 'PodPortForwardOptions'),
  connect('proxy', 'PodProxyOptions', ['get']),
  status('', 'v1', 'Pod'),
];

const pods = define<Pod>({
  ...v1,
  kind: 'Pod',
  plural: 'pods',
  applyDefaults: defaultPod,
  prepareForCreate: hooks.preparePod,
  prepareForStatusUpdate: hooks.preparePodStatus,
  validate: validatePod,
  skipValidateOnUpdate: true,
  validateUpdate: validatePodUpdate,
  shortNames: ['po'],
  categories: ['all'],
  checkName: isDns1123Subdomain,
  hasStatus: true,
  generationOf: ['spec'],
  subresources: podSubresources,
  fields: {
    'spec.nodeName': (pod) => pod.spec.nodeName,
    'spec.restartPolicy': (pod) => pod.spec.restartPolicy,
    'spec.schedulerName': (pod) => pod.spec.schedulerName,
    'spec.serviceAccountName': (pod) => pod.spec.serviceAccountName,
    'spec.hostNetwork': (pod) => pod.spec.hostNetwork ?? false,
    'status.phase': (pod) => pod.status?.phase,
    'status.podIP': (pod) => pod.status?.podIP,
    'status.nominatedNodeName': (pod) => pod.status?.nominatedNodeName,
  },
  columns: podColumns,
});

const services = define<Service>({
  ...v1,
  kind: 'Service',
  plural: 'services',
  applyDefaults: defaultService,
  initialStatus: { loadBalancer: {} },
  prepareForUpdate: hooks.prepareServiceUpdate,
  validate: validateService,
  validateUpdate: validateServiceUpdate,
  shortNames: ['svc'],
  categories: ['all'],
  storage: 'services/specs',
  checkName: isDns1035Label,
  hasStatus: true,
  subresources: [connect('proxy', 'ServiceProxyOptions', ['get']), status('', 'v1', 'Service')],
  fields: { 'spec.clusterIP': ({ spec }) => spec.clusterIP, 'spec.type': ({ spec }) => spec.type },
  columns: columns.serviceColumns,
});

const nodes = define<Node>({
  ...v1,
  kind: 'Node',
  plural: 'nodes',
  keepsStatusOnCreate: true,
  validate: other.validateNode,
  shortNames: ['no'],
  namespaced: false,
  storage: 'minions',
  checkName: isDns1123Subdomain,
  hasStatus: true,
  subresources: [connect('proxy', 'NodeProxyOptions', ['get']), status('', 'v1', 'Node')],
  fields: { 'spec.unschedulable': ({ spec }) => spec.unschedulable ?? false },
  columns: columns.nodeColumns,
});

const namespaces = define<Namespace>({
  ...v1,
  kind: 'Namespace',
  plural: 'namespaces',
  applyDefaults: defaultNamespace,
  initialStatus: { phase: 'Active' },
  prepareForCreate: hooks.prepareNamespace,
  prepareForUpdate: hooks.prepareNamespaceUpdate,
  shortNames: ['ns'],
  namespaced: false,
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  checkName: isDns1123Label,
  hasStatus: true,
  subresources: [{ ...v1, name: 'finalize', kind: 'Namespace', verbs: ['update'] }, status('', 'v1', 'Namespace')],
  fields: { 'status.phase': (namespace) => namespace.status?.phase },
  columns: columns.namespaceColumns,
});

const events = define<CoreV1Event>({
  ...v1,
  kind: 'Event',
  plural: 'events',
  validate: other.validateEvent,
  shortNames: ['ev'],
  allowCreateOnUpdate: true,
  checkName: isDns1123Subdomain,
  fields: {
    'involvedObject.kind': (event) => event.involvedObject.kind,
    'involvedObject.namespace': (event) => event.involvedObject.namespace,
    'involvedObject.name': (event) => event.involvedObject.name,
    'involvedObject.uid': (event) => event.involvedObject.uid,
    'involvedObject.apiVersion': (event) => event.involvedObject.apiVersion,
    'involvedObject.resourceVersion': (event) => event.involvedObject.resourceVersion,
    'involvedObject.fieldPath': (event) => event.involvedObject.fieldPath,
    reason: (event) => event.reason,
    reportingComponent: (event) => event.reportingComponent,
    source: (event) => event.source?.component || event.reportingComponent,
    type: (event) => event.type,
  },
  columns: columns.eventColumns,
});

const plainKinds: readonly ResourceDefinition[] = [
  define({
    ...v1,
    kind: 'ConfigMap',
    plural: 'configmaps',
    validate: other.validateConfigMap,
    validateUpdate: other.validateConfigMapUpdate,
    shortNames: ['cm'],
    checkName: isDns1123Subdomain,
    columns: columns.configMapColumns,
  }),
  define<Secret>({
    ...v1,
    kind: 'Secret',
    plural: 'secrets',
    applyDefaults: defaultSecret,
    validate: other.validateSecret,
    validateUpdate: other.validateSecretUpdate,
    checkName: isDns1123Subdomain,
    fields: { type: (secret) => secret.type },
    columns: columns.secretColumns,
  }),
  define({
    ...v1,
    kind: 'ServiceAccount',
    plural: 'serviceaccounts',
    shortNames: ['sa'],
    checkName: isDns1123Subdomain,
    subresources: [
      { name: 'token', group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest', verbs: ['create'] },
    ],
    columns: columns.serviceAccountColumns,
  }),
  define({
    ...v1,
    kind: 'Endpoints',
    plural: 'endpoints',
    applyDefaults: defaultEndpoints,
    validate: validateEndpoints,
    shortNames: ['ep'],
    storage: 'services/endpoints',
    allowCreateOnUpdate: true,
    checkName: isDns1123Subdomain,
    columns: columns.endpointsColumns,
  }),
  define({
    ...v1,
    kind: 'PodTemplate',
    plural: 'podtemplates',
    applyDefaults: defaultPodTemplate,
    generationOf: ['template'],
    checkName: isDns1123Subdomain,
    columns: podTemplateColumns,
  }),
];

const replicationControllers = define<ReplicationController>({
  ...v1,
  kind: 'ReplicationController',
  plural: 'replicationcontrollers',
  applyDefaults: defaultReplicationController,
  initialStatus: { replicas: 0 },
  validate: validateReplicationController,
  shortNames: ['rc'],
  categories: ['all'],
  storage: 'controllers',
  checkName: isDns1123Subdomain,
  hasStatus: true,
  generationOf: ['spec'],
  subresources: [scale, status('', 'v1', 'ReplicationController')],
  fields: { 'status.replicas': (controller) => String(controller.status?.replicas ?? 0) },
  columns: replicationControllerColumns,
});

const quotaKinds: readonly ResourceDefinition[] = [
  define({
    ...v1,
    kind: 'LimitRange',
    plural: 'limitranges',
    shortNames: ['limits'],
    allowCreateOnUpdate: true,
    checkName: isDns1123Subdomain,
    columns: [nameColumn, createdAt],
  }),
  define({
    ...v1,
    kind: 'ResourceQuota',
    plural: 'resourcequotas',
    shortNames: ['quota'],
    hasStatus: true,
    checkName: isDns1123Subdomain,
    subresources: [status('', 'v1', 'ResourceQuota')],
    columns: columns.resourceQuotaColumns,
  }),
  define({
    ...v1,
    kind: 'PersistentVolume',
    plural: 'persistentvolumes',
    applyDefaults: defaultVolume,
    initialStatus: { phase: 'Pending' },
    shortNames: ['pv'],
    namespaced: false,
    hasStatus: true,
    checkName: isDns1123Subdomain,
    subresources: [status('', 'v1', 'PersistentVolume')],
    columns: columns.persistentVolumeColumns,
  }),
  define({
    ...v1,
    kind: 'PersistentVolumeClaim',
    plural: 'persistentvolumeclaims',
    applyDefaults: defaultClaim,
    initialStatus: { phase: 'Pending' },
    validate: other.validateClaim,
    validateUpdate: other.validateClaimUpdate,
    shortNames: ['pvc'],
    hasStatus: true,
    checkName: isDns1123Subdomain,
    subresources: [status('', 'v1', 'PersistentVolumeClaim')],
    columns: columns.persistentVolumeClaimColumns,
  }),
];

/** The core group. `bindings` is only ever created; the pods/binding subresource is the same thing. */
export const coreResources: readonly ResourceDefinition[] = [
  define({
    ...v1,
    kind: 'Binding',
    plural: 'bindings',
    verbs: ['create'],
    stored: false,
    checkName: isDns1123Subdomain,
    columns: [nameColumn, createdAt],
  }),
  ...plainKinds,
  events,
  ...quotaKinds,
  namespaces,
  nodes,
  pods,
  replicationControllers,
  services,
];
