import type { TypeSchema } from './types.ts';

/** Facts of the Go types (release 1.35) that no schema holds: what is kept by pointer or without `omitempty`. */

/** Optional strings that are written even when empty. */
const keptStrings = new Set(
  `HostPathVolumeSource.type GRPCAction.service EndpointPort.name EndpointPort.appProtocol
  ServicePort.appProtocol PersistentVolumeClaimSpec.storageClassName PersistentVolumeClaimSpec.volumeAttributesClassName
  PersistentVolumeSpec.volumeAttributesClassName LeaseSpec.holderIdentity LeaseSpec.preferredHolder StatefulSetSpec.serviceName
  Event.reportingComponent Event.reportingInstance PodDNSConfigOption.value AzureDiskVolumeSource.fsType Endpoint.hostname
  Endpoint.nodeName Endpoint.zone RoleRef.apiGroup NodeRuntimeHandler.name PodSpec.hostnameOverride`.split(/\s+/),
);

/** Optional lists that are written even when empty. */
const keptLists = new Set(
  'EndpointSlice.endpoints EndpointSlice.ports ClusterRole.rules Role.rules ProjectedVolumeSource.sources'.split(' '),
);

/** Booleans kept by value: `false` is the same as absent and is not written. */
const plainBooleans = new Set(
  `stdin stdinOnce tty hostNetwork hostPID hostIPC unschedulable paused readOnly publishNotReadyAddresses globalDefault
  chapAuthDiscovery chapAuthSession sslEnabled`.split(/\s+/),
);

/** Numbers kept by value. */
const plainNumbers = new Set(
  `initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold hostPort nodePort healthCheckNodePort
  minReadySeconds observedGeneration generation signal count deprecatedCount sizeBytes code retryAfterSeconds
  updatedNumberScheduled numberAvailable numberUnavailable updatedReplicas readyReplicas unavailableReplicas
  fullyLabeledReplicas currentReplicas active succeeded failed`.split(/\s+/),
);
const plainCounts = new Set(
  `DeploymentStatus.replicas DeploymentStatus.availableReplicas ReplicaSetStatus.availableReplicas
  ReplicationControllerStatus.availableReplicas ScaleSpec.replicas`.split(/\s+/),
);

/**
 * Whether Go would not write this value back: an empty optional string, list or map, or a zero of a field kept by value
 * (`omitempty` of the API types).
 */
export function isDroppedWhenZero(
  schema: string,
  field: string,
  type: TypeSchema,
  value: unknown,
  required: readonly string[],
): boolean {
  if (!isZero(type, value) || required.includes(field)) return false;
  const path = `${schema.slice(schema.lastIndexOf('.') + 1)}.${field}`;
  switch (type.kind) {
    case 'string':
      return !keptStrings.has(path);
    case 'list':
      return !keptLists.has(path);
    case 'boolean':
      return plainBooleans.has(field);
    case 'int32':
    case 'int64':
      return plainNumbers.has(field) || plainCounts.has(path);
    default:
      return true;
  }
}

function isZero(type: TypeSchema, value: unknown): boolean {
  switch (type.kind) {
    case 'string':
      return value === '';
    case 'list':
      return Array.isArray(value) && value.length === 0;
    case 'map':
      return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
    case 'boolean':
      return value === false;
    case 'int32':
    case 'int64':
      return value === 0;
    default:
      return false;
  }
}
