import { fullSchemaName } from './registry.ts';

/** How a field merges: what strategic patches and server-side apply must know and the models do not say. */
export interface FieldFacts {
  /** `map`: items are told apart by `keys`; `set`: by value; `atomic`: replaced whole; `granular`: maps, by entry. */
  readonly type: 'map' | 'set' | 'atomic' | 'granular' | undefined;
  readonly keys: readonly string[];
  readonly strategies: readonly ('merge' | 'replace' | 'retainKeys')[];
  /** The item field that identifies an item in a strategic merge patch; empty for lists of plain values. */
  readonly mergeKey: string;
}

/**
 * Kept by hand: `model.field`, list or map type with its keys (`-` none), patch strategy with its merge key (`-` none).
 * Lists that are not here are atomic, and strategic patches replace them; maps that are not here are granular.
 */
const table = `
apps.v1.DaemonSetStatus.conditions map:type merge:type
apps.v1.DeploymentSpec.strategy - retainKeys
apps.v1.DeploymentStatus.conditions map:type merge:type
apps.v1.ReplicaSetStatus.conditions map:type merge:type
apps.v1.StatefulSetStatus.conditions map:type merge:type
batch.v1.JobStatus.conditions atomic merge:type
batch.v1.PodFailurePolicyOnExitCodesRequirement.values set -
batch.v1.UncountedTerminatedPods.failed set -
batch.v1.UncountedTerminatedPods.succeeded set -
certificates.v1.CertificateSigningRequestStatus.conditions map:type -
core.v1.ComponentStatus.conditions map:type merge:type
core.v1.Container.env map:name merge:name
core.v1.Container.ports map:containerPort,protocol merge:containerPort
core.v1.Container.volumeDevices map:devicePath merge:devicePath
core.v1.Container.volumeMounts map:mountPath merge:mountPath
core.v1.ContainerRestartRuleOnExitCodes.values set -
core.v1.ContainerStatus.allocatedResourcesStatus map:name merge:name
core.v1.ContainerStatus.volumeMounts map:mountPath merge:mountPath
core.v1.EphemeralContainer.env map:name merge:name
core.v1.EphemeralContainer.ports map:containerPort,protocol merge:containerPort
core.v1.EphemeralContainer.volumeDevices map:devicePath merge:devicePath
core.v1.EphemeralContainer.volumeMounts map:mountPath merge:mountPath
core.v1.NamespaceStatus.conditions map:type merge:type
core.v1.NodeAllocatableResourceClaimStatus.containers set -
core.v1.NodeSpec.podCIDRs set merge
core.v1.NodeStatus.addresses map:type merge:type
core.v1.NodeStatus.conditions map:type merge:type
core.v1.PersistentVolumeClaimStatus.allocatedResourceStatuses granular -
core.v1.PersistentVolumeClaimStatus.conditions map:type merge:type
core.v1.PersistentVolumeSpec.claimRef granular -
core.v1.PodSpec.containers map:name merge:name
core.v1.PodSpec.ephemeralContainers map:name merge:name
core.v1.PodSpec.hostAliases map:ip merge:ip
core.v1.PodSpec.imagePullSecrets map:name merge:name
core.v1.PodSpec.initContainers map:name merge:name
core.v1.PodSpec.nodeSelector atomic -
core.v1.PodSpec.resourceClaims map:name merge,retainKeys:name
core.v1.PodSpec.schedulingGates map:name merge:name
core.v1.PodSpec.topologySpreadConstraints map:topologyKey,whenUnsatisfiable merge:topologyKey
core.v1.PodSpec.volumes map:name merge,retainKeys:name
core.v1.PodStatus.conditions map:type merge:type
core.v1.PodStatus.hostIPs atomic merge:ip
core.v1.PodStatus.podIPs map:ip merge:ip
core.v1.PodStatus.resourceClaimStatuses map:name merge,retainKeys:name
core.v1.ReplicationControllerSpec.selector atomic -
core.v1.ReplicationControllerStatus.conditions map:type merge:type
core.v1.ResourceRequirements.claims map:name -
core.v1.ResourceStatus.resources map:resourceID -
core.v1.ServiceAccount.secrets map:name merge:name
core.v1.ServiceSpec.ports map:port,protocol merge:port
core.v1.ServiceSpec.selector atomic -
core.v1.ServiceStatus.conditions map:type merge:type
discovery.v1.Endpoint.addresses set -
policy.v1.PodDisruptionBudgetSpec.selector - replace
policy.v1.PodDisruptionBudgetStatus.conditions map:type merge:type
meta.v1.ObjectMeta.finalizers set merge
meta.v1.ObjectMeta.ownerReferences map:uid merge:uid
`;

const atomicModels = `core.v1.ConfigMapKeySelector core.v1.EndpointAddress core.v1.EndpointPort core.v1.FileKeySelector
core.v1.LocalObjectReference core.v1.NodeSelector core.v1.NodeSelectorTerm core.v1.ObjectFieldSelector core.v1.ObjectReference
core.v1.ResourceFieldSelector core.v1.ScopeSelector core.v1.SecretKeySelector core.v1.SecretReference
core.v1.TypedLocalObjectReference discovery.v1.EndpointPort rbac.v1.RoleRef rbac.v1.Subject
networking.v1.ServiceBackendPort meta.v1.LabelSelector
meta.v1.OwnerReference`;

/** Item fields that are part of a list key and may be left out, with what they then count as. */
const keyDefaults: Readonly<Record<string, string>> = { protocol: 'TCP' };

function parse(): ReadonlyMap<string, FieldFacts> {
  const facts = new Map<string, FieldFacts>();
  for (const line of table.trim().split('\n')) {
    const [field = '', kind = '', patch = ''] = line.split(' ');
    const [type = '', keys = ''] = kind.split(':');
    const [strategies = '', mergeKey = ''] = patch.split(':');
    facts.set(fullSchemaName(field), {
      type: type === '-' ? undefined : (type as FieldFacts['type']),
      keys: keys === '' ? [] : keys.split(','),
      strategies: strategies === '-' ? [] : (strategies.split(',') as FieldFacts['strategies']),
      mergeKey,
    });
  }
  return facts;
}

const byField = parse();
const atomic = new Set(atomicModels.split(/\s+/).map(fullSchemaName));

/** What is known of `field` of the model named `schema`, beyond the defaults. */
export function fieldFacts(schema: string, field: string): FieldFacts | undefined {
  return byField.get(`${schema}.${field}`);
}

/** Whether objects of that model are owned and replaced as a whole. */
export function isAtomicModel(schema: string): boolean {
  return atomic.has(schema);
}

/** The value an absent key field counts as; undefined when it has to be there. */
export function keyDefault(key: string): string | undefined {
  return keyDefaults[key];
}
