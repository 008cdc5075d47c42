// Facts about the API that the models of @kubernetes/client-node leave out, kept by hand: which package a model lives in,
// which fields are quantities, and the few meta types that have no model. `src-main/api/schema/schema.test.ts` holds them
// against the release's own OpenAPI document.

/** The kinds Drydock serves, as client-node names their models. */
export const rootModels = [
  'V1Pod',
  'V1PodTemplate',
  'V1Service',
  'V1Endpoints',
  'V1Node',
  'V1Namespace',
  'V1ConfigMap',
  'V1Secret',
  'V1ServiceAccount',
  'CoreV1Event',
  'V1ReplicationController',
  'V1LimitRange',
  'V1ResourceQuota',
  'V1PersistentVolume',
  'V1PersistentVolumeClaim',
  'V1Deployment',
  'V1ReplicaSet',
  'V1StatefulSet',
  'V1DaemonSet',
  'V1ControllerRevision',
  'V1Job',
  'V1CronJob',
  'V1EndpointSlice',
  'V1Lease',
  'EventsV1Event',
  'V1Role',
  'V1RoleBinding',
  'V1ClusterRole',
  'V1ClusterRoleBinding',
  'V1PriorityClass',
  'V1PodDisruptionBudget',
  'V1NetworkPolicy',
  'V1Ingress',
  'V1IngressClass',
  'V1CertificateSigningRequest',
  'V1ComponentStatus',
];

/** Kinds that are sent or answered but never stored. */
export const wireModels = [
  'V1Binding',
  'V1SubjectAccessReview',
  'V1SelfSubjectAccessReview',
  'V1LocalSubjectAccessReview',
  'V1SelfSubjectRulesReview',
  'V1TokenReview',
  'V1SelfSubjectReview',
  'AuthenticationV1TokenRequest',
  'V1Scale',
  'V1Eviction',
  'V1Status',
  'V1DeleteOptions',
  'V1APIResourceList',
  'V1APIGroupList',
  'V1APIGroup',
  'V1APIVersions',
  'V1WatchEvent',
  'VersionInfo',
];

/** The list model of a kind. */
export const listModel = (model) => `${model}List`;

const core = 'io.k8s.api.core.v1.';
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';
const packages = [
  [
    meta,
    /^(APIGroup|APIGroupList|APIResource|APIResourceList|APIVersions|Condition|DeleteOptions|FieldSelectorRequirement|GroupVersionForDiscovery|LabelSelector|LabelSelectorRequirement|ListMeta|ManagedFieldsEntry|ObjectMeta|OwnerReference|Preconditions|ServerAddressByClientCIDR|ShardInfo|Status|StatusCause|StatusDetails|WatchEvent)$/,
  ],
  ['io.k8s.api.apps.v1.', /^(ControllerRevision|DaemonSet|Deployment|ReplicaSet|StatefulSet|RollingUpdate)\w*$/],
  ['io.k8s.api.batch.v1.', /^(CronJob|Job|PodFailurePolicy|SuccessPolicy|UncountedTerminatedPods)\w*$/],
  [
    'io.k8s.api.discovery.v1.',
    /^(EndpointSlice|EndpointSliceList|Endpoint|EndpointConditions|EndpointHints|ForNode|ForZone)$/,
  ],
  ['io.k8s.api.coordination.v1.', /^Lease\w*$/],
  ['io.k8s.api.rbac.v1.', /^(AggregationRule|ClusterRole\w*|PolicyRule|Role\w*)$/],
  ['io.k8s.api.networking.v1.', /^(HTTPIngress\w*|IPBlock|Ingress\w*|NetworkPolicy\w*|ServiceBackendPort)$/],
  ['io.k8s.api.certificates.v1.', /^CertificateSigningRequest\w*$/],
  ['io.k8s.api.scheduling.v1.', /^PriorityClass\w*$/],
  ['io.k8s.api.policy.v1.', /^(Eviction|PodDisruptionBudget\w*)$/],
  ['io.k8s.api.autoscaling.v1.', /^Scale(Spec|Status)?$/],
  ['io.k8s.api.authentication.v1.', /^(BoundObjectReference|SelfSubjectReview\w*|TokenRe\w*|UserInfo)$/],
  [
    'io.k8s.api.authorization.v1.',
    /^(FieldSelectorAttributes|LabelSelectorAttributes|LocalSubjectAccessReview|NonResourceAttributes|NonResourceRule|ResourceAttributes|ResourceRule|SelfSubject\w+|SubjectAccessReview\w*|SubjectRulesReviewStatus)$/,
  ],
];
const prefixedPackages = {
  Core: core,
  Events: 'io.k8s.api.events.v1.',
  Discovery: 'io.k8s.api.discovery.v1.',
  Rbac: 'io.k8s.api.rbac.v1.',
  Authentication: 'io.k8s.api.authentication.v1.',
};

/** `V1PodSpec` -> `io.k8s.api.core.v1.PodSpec`. */
export function openApiName(model) {
  if (model === 'VersionInfo') return 'io.k8s.apimachinery.pkg.version.Info';
  const prefixed = /^([A-Z][a-z]+)V1(\w+)$/.exec(model);
  if (prefixed) {
    const home = prefixedPackages[prefixed[1]];
    if (!home) throw new Error(`api-facts.mjs: no package is known for model ${model}`);
    return home + prefixed[2];
  }
  const short = model.replace(/^V1(?=[A-Z])/, '');
  const found = packages.find(([, pattern]) => pattern.test(short));
  return (found ? found[0] : core) + short;
}

/** Fields that are `resource.Quantity` (or maps of it), as `Model.field`. */
export const quantityFields = new Set(
  `ContainerStatus.allocatedResources EmptyDirVolumeSource.sizeLimit LimitRangeItem.default LimitRangeItem.defaultRequest
  LimitRangeItem.max LimitRangeItem.maxLimitRequestRatio LimitRangeItem.min NodeAllocatableResourceClaimStatus.resources
  NodeStatus.allocatable NodeStatus.capacity PersistentVolumeClaimStatus.allocatedResources PersistentVolumeClaimStatus.capacity
  PersistentVolumeSpec.capacity PodSpec.overhead PodStatus.allocatedResources ResourceFieldSelector.divisor
  ResourceQuotaSpec.hard ResourceQuotaStatus.hard ResourceQuotaStatus.used ResourceRequirements.limits
  ResourceRequirements.requests VolumeResourceRequirements.limits VolumeResourceRequirements.requests`.split(/\s+/),
);
