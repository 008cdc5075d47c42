import type {
  ClusterRoleBinding,
  Namespace,
  PersistentVolume,
  PersistentVolumeClaim,
  PriorityClass,
  RoleBinding,
} from '#api/gen/types';
import { mapShared, replaceFields, withDefaults } from './pod.ts';

const nameLabel = 'kubernetes.io/metadata.name';

/** Every namespace is labelled with its own name (`SetDefaults_Namespace`, release 1.36). */
export function defaultNamespace(namespace: Namespace): Namespace {
  const { name, labels } = namespace.metadata;
  if (!name || labels?.[nameLabel] === name) return namespace;
  return { ...namespace, metadata: { ...namespace.metadata, labels: { ...labels, [nameLabel]: name } } };
}

const rbacGroup = 'rbac.authorization.k8s.io';

export function defaultRoleBinding<T extends RoleBinding | ClusterRoleBinding>(binding: T): T {
  const subjects = mapShared(binding.subjects, (subject) =>
    subject.kind === 'User' || subject.kind === 'Group' ? withDefaults(subject, { apiGroup: rbacGroup }) : subject,
  );
  const roleRef = binding.roleRef?.apiGroup ? binding.roleRef : { ...binding.roleRef, apiGroup: rbacGroup };
  return replaceFields<RoleBinding | ClusterRoleBinding>(binding, { roleRef, ...(subjects ? { subjects } : {}) }) as T;
}

export function defaultPriorityClass(priorityClass: PriorityClass): PriorityClass {
  return withDefaults(priorityClass, { value: 0, preemptionPolicy: 'PreemptLowerPriority' });
}

export function defaultVolume(volume: PersistentVolume): PersistentVolume {
  if (!volume.spec) return volume;
  return replaceFields(volume, {
    spec: withDefaults(volume.spec, { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' }),
  });
}

export function defaultClaim(claim: PersistentVolumeClaim): PersistentVolumeClaim {
  if (!claim.spec) return claim;
  return replaceFields(claim, { spec: withDefaults(claim.spec, { volumeMode: 'Filesystem' }) });
}
