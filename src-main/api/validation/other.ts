import type {
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  ControllerRevision,
  CoreV1Event,
  Lease,
  Node,
  PersistentVolumeClaim,
  PolicyRule,
  PriorityClass,
  Role,
  RoleBinding,
  Secret,
} from '#api/gen/types';
import { jsonEqual } from '#base/freeze';
import { omit } from '../machinery/meta.ts';
import { isConfigMapKey, isPathSegment, isQualifiedName } from '../machinery/names.ts';
import { duplicate, forbidden, invalid, notSupported, required, tooLong, type FieldError } from './errors.ts';
import { byName, each, nonNegative, oneOf } from './metadata.ts';

/** 1 MiB: the most a ConfigMap or Secret may hold. */
const maxDataBytes = 1_048_576;

const bytesIn = (entries: Readonly<Record<string, string>> | undefined): number =>
  Object.values(entries ?? {}).reduce((sum, value) => sum + value.length, 0);

const validateKeys = (entries: object | undefined, path: string): FieldError[] =>
  Object.keys(entries ?? {}).flatMap((key) =>
    isConfigMapKey(key).map((detail) => invalid(`${path}[${key}]`, key, detail)),
  );

export function validateConfigMap({ data, binaryData }: ConfigMap): FieldError[] {
  const both = Object.keys(data ?? {}).filter((key) => key in (binaryData ?? {}));
  return [
    ...validateKeys(data, 'data'),
    ...validateKeys(binaryData, 'binaryData'),
    ...both.map((key) => invalid(`data[${key}]`, key, `duplicate of key present in binaryData`)),
    ...(bytesIn(data) + bytesIn(binaryData) > maxDataBytes ? [tooLong('', maxDataBytes)] : []),
  ];
}

function validateImmutable(next: ConfigMap | Secret, old: ConfigMap | Secret): FieldError[] {
  if (!old.immutable) return [];
  const fixed = (name: string, a: unknown, b: unknown): FieldError[] =>
    jsonEqual(a, b) ? [] : [forbidden(name, 'field is immutable when `immutable` is set')];
  const binary = (one: ConfigMap | Secret) => ('binaryData' in one ? one.binaryData : undefined);
  return [
    ...fixed('immutable', next.immutable, old.immutable),
    ...fixed('data', next.data, old.data),
    ...fixed('binaryData', binary(next), binary(old)),
  ];
}

export const validateConfigMapUpdate: (next: ConfigMap, old: ConfigMap) => FieldError[] = validateImmutable;

const requiredKeys: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};

export function validateSecret({ data, type, metadata }: Secret): FieldError[] {
  const account = 'kubernetes.io/service-account.name';
  return [
    ...validateKeys(data, 'data'),
    ...(bytesIn(data) * 0.75 > maxDataBytes ? [tooLong('data', maxDataBytes)] : []),
    ...(requiredKeys[type ?? ''] ?? [])
      .filter((key) => data?.[key] === undefined)
      .map((key) => required(`data[${key}]`)),
    ...(type === 'kubernetes.io/service-account-token' && !metadata.annotations?.[account]
      ? [required(`metadata.annotations[${account}]`)]
      : []),
  ];
}

export function validateSecretUpdate(next: Secret, old: Secret): FieldError[] {
  return [
    ...(next.type === old.type ? [] : [invalid('type', next.type, 'field is immutable')]),
    ...validateImmutable(next, old),
  ];
}

const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function validateNode({ spec }: Node): FieldError[] {
  const seen = new Set<string>();
  return each(spec?.taints, 'spec.taints', (taint, at) => {
    const errors = byName(isQualifiedName, taint.key, `${at}.key`);
    if (!taint.effect) errors.push(required(`${at}.effect`));
    else if (!taintEffects.includes(taint.effect))
      errors.push(notSupported(`${at}.effect`, taint.effect, taintEffects));
    const key = `${taint.key}:${taint.effect}`;
    if (seen.has(key)) errors.push({ ...duplicate(at, taint), detail: 'taints must be unique by key and effect pair' });
    seen.add(key);
    return errors;
  });
}

function validateRule(rule: PolicyRule, path: string, namespaced: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if ((rule.verbs ?? []).length === 0) errors.push(required(`${path}.verbs`, 'verbs must contain at least one value'));
  if ((rule.nonResourceURLs ?? []).length > 0) {
    if (namespaced) {
      errors.push(
        invalid(`${path}.nonResourceURLs`, rule.nonResourceURLs, 'namespaced rules cannot apply to non-resource URLs'),
      );
    }
    if ((rule.apiGroups ?? []).length + (rule.resources ?? []).length + (rule.resourceNames ?? []).length > 0) {
      const detail = 'rules cannot apply to both regular resources and non-resource URLs';
      errors.push(invalid(`${path}.nonResourceURLs`, rule.nonResourceURLs, detail));
    }
    return errors;
  }
  if ((rule.apiGroups ?? []).length === 0)
    errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'));
  if ((rule.resources ?? []).length === 0)
    errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'));
  return errors;
}

export const validateRole = ({ rules }: Role): FieldError[] =>
  each(rules, 'rules', (rule, at) => validateRule(rule, at, true));
export const validateClusterRole = ({ rules }: ClusterRole): FieldError[] =>
  each(rules, 'rules', (rule, at) => validateRule(rule, at, false));

const rbacGroup = 'rbac.authorization.k8s.io';

export function validateRoleBinding(binding: RoleBinding | ClusterRoleBinding): FieldError[] {
  const { roleRef, subjects } = binding;
  const kinds = binding.kind === 'RoleBinding' ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  const errors: FieldError[] = [];
  if (roleRef.apiGroup !== rbacGroup) errors.push(notSupported('roleRef.apiGroup', roleRef.apiGroup, [rbacGroup]));
  if (!kinds.includes(roleRef.kind)) errors.push(notSupported('roleRef.kind', roleRef.kind, kinds));
  if (!roleRef.name) errors.push(required('roleRef.name'));
  else errors.push(...byName(isPathSegment, roleRef.name, 'roleRef.name'));
  return [
    ...errors,
    ...each(subjects, 'subjects', (subject, at) => {
      if (!subject.name) return [required(`${at}.name`)];
      if (subject.kind === 'ServiceAccount') return subject.namespace ? [] : [required(`${at}.namespace`)];
      if (subject.kind !== 'User' && subject.kind !== 'Group') {
        return [notSupported(`${at}.kind`, subject.kind, ['ServiceAccount', 'User', 'Group'])];
      }
      return subject.apiGroup === rbacGroup
        ? []
        : [notSupported(`${at}.apiGroup`, subject.apiGroup ?? '', [rbacGroup])];
    }),
  ];
}

export function validateRoleBindingUpdate<T extends RoleBinding | ClusterRoleBinding>(next: T, old: T): FieldError[] {
  return jsonEqual(next.roleRef, old.roleRef) ? [] : [invalid('roleRef', next.roleRef, 'cannot change roleRef')];
}

/** Above this are the priorities of the system's own classes. */
const maxUserPriority = 1_000_000_000;

export function validatePriorityClass({ metadata, value = 0, preemptionPolicy }: PriorityClass): FieldError[] {
  const errors: FieldError[] = [];
  const system = (metadata.name ?? '').startsWith('system-');
  if (system && metadata.name !== 'system-cluster-critical' && metadata.name !== 'system-node-critical') {
    const detail =
      "priority class names with 'system-' prefix are reserved for system use only. error: unknown system priority class";
    errors.push(forbidden('metadata.name', detail));
  }
  if (!system && value > maxUserPriority) {
    errors.push(forbidden('value', `maximum allowed value of a user defined priority is ${maxUserPriority}`));
  }
  return [...errors, ...oneOf(preemptionPolicy, ['PreemptLowerPriority', 'Never'], 'preemptionPolicy')];
}

export function validatePriorityClassUpdate(next: PriorityClass, old: PriorityClass): FieldError[] {
  const errors: FieldError[] = [];
  if (next.value !== old.value) errors.push(forbidden('value', 'may not be changed in an update.'));
  if (next.preemptionPolicy !== old.preemptionPolicy) {
    errors.push(invalid('preemptionPolicy', next.preemptionPolicy, 'field is immutable'));
  }
  return errors;
}

export function validateLease({ spec }: Lease): FieldError[] {
  const duration = spec?.leaseDurationSeconds;
  return [
    ...(duration !== undefined && duration <= 0
      ? [invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0')]
      : []),
    ...nonNegative(spec?.leaseTransitions, 'spec.leaseTransitions'),
  ];
}

export function validateEvent({ metadata, involvedObject }: CoreV1Event): FieldError[] {
  const about = involvedObject?.namespace;
  const matches = about
    ? metadata.namespace === about
    : metadata.namespace === 'default' || metadata.namespace === 'kube-system';
  return matches ? [] : [invalid('involvedObject.namespace', about ?? '', 'does not match event.namespace')];
}

export function validateControllerRevision({ data, revision }: ControllerRevision): FieldError[] {
  return [...(data === undefined ? [required('data', 'data is mandatory')] : []), ...nonNegative(revision, 'revision')];
}

export function validateControllerRevisionUpdate(next: ControllerRevision, old: ControllerRevision): FieldError[] {
  return jsonEqual(next.data, old.data) ? [] : [invalid('data', next.data, 'field is immutable')];
}

export function validateClaim({ spec }: PersistentVolumeClaim): FieldError[] {
  const errors: FieldError[] = [];
  if ((spec?.accessModes ?? []).length === 0)
    errors.push(required('spec.accessModes', 'at least 1 access mode is required'));
  if (spec?.resources?.requests?.['storage'] === undefined) errors.push(required('spec.resources[storage]'));
  return errors;
}

/** What binding fills in may be set once; the size may grow. */
export function validateClaimUpdate(next: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const fixed = (claim: PersistentVolumeClaim) =>
    omit(claim.spec ?? {}, 'resources', 'volumeAttributesClassName', 'volumeName', 'storageClassName');
  const renamed = old.spec?.volumeName !== undefined && next.spec?.volumeName !== old.spec.volumeName;
  if (!renamed && jsonEqual(fixed(next), fixed(old))) return [];
  return [
    forbidden(
      'spec',
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
    ),
  ];
}
