import type { TypeSchema } from './types.ts';

/** Optional strings that Go keeps by pointer: an empty one means something. */
const pointerStrings = new Set(['storageClassName', 'volumeAttributesClassName', 'appProtocol', 'holderIdentity']);

/** Booleans that Go keeps by value, so that `false` is the same as absent and is not written. */
const plainBooleans = new Set(
  `stdin stdinOnce tty hostNetwork hostPID hostIPC unschedulable paused readOnly publishNotReadyAddresses notReady
  globalDefault setHostnameAsFQDN`.split(/\s+/),
);

/** Numbers that Go keeps by value. `status` counts are by value too, unless they are in {@link pointerCounts}. */
const plainNumbers = new Set(
  `initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold hostPort nodePort minReadySeconds
  observedGeneration generation`.split(/\s+/),
);
const pointerCounts = new Set(['collisionCount', 'ready', 'terminating', 'terminatingReplicas']);

/**
 * Whether Go would not write this value back: an empty optional string, list or map, or a zero of a field kept by value
 * (`omitempty` of the API types, release 1.36).
 */
export function isDroppedWhenZero(
  schema: string,
  field: string,
  type: TypeSchema,
  value: unknown,
  required: readonly string[],
): boolean {
  switch (type.kind) {
    case 'string':
      return value === '' && !pointerStrings.has(field) && !required.includes(field);
    case 'list':
      return (value as readonly unknown[]).length === 0 && !required.includes(field);
    case 'map':
      return Object.keys(value as object).length === 0 && !required.includes(field);
    case 'boolean':
      return value === false && plainBooleans.has(field) && !required.includes(field);
    case 'int32':
    case 'int64':
      return (
        value === 0 &&
        !required.includes(field) &&
        (plainNumbers.has(field) || (schema.endsWith('Status') && !pointerCounts.has(field)))
      );
    default:
      return false;
  }
}
