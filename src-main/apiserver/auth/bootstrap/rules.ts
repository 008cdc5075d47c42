import type { ClusterRole, ClusterRoleBinding, PolicyRule, RbacV1Subject, Role, RoleBinding } from '#api/gen/types';
import { rbacGroup } from '../object-reader.ts';

/** Short words for writing policy as data. */

export const rbacApiVersion = `${rbacGroup}/v1`;
const defaultsLabel = { 'kubernetes.io/bootstrapping': 'rbac-defaults' };
const autoUpdate = { 'rbac.authorization.kubernetes.io/autoupdate': 'true' };

const words = (text: string): readonly string[] => text.split(/\s+/).filter(Boolean);

/** `allow('get list', 'apps batch', 'deployments jobs')`; the core group is spelled `core`, empty `names` allow all. */
export function allow(verbs: string, groups: string, resources: string, names: readonly string[] = []): PolicyRule {
  return {
    verbs: words(verbs),
    apiGroups: words(groups).map((group) => (group === 'core' ? '' : group)),
    resources: words(resources),
    ...(names.length > 0 ? { resourceNames: names } : {}),
  };
}

export function allowPaths(verbs: string, paths: string): PolicyRule {
  return { verbs: words(verbs), nonResourceURLs: words(paths) };
}

export const eventWrites = allow('create patch update', 'core events.k8s.io', 'events');
export const read = 'get list watch';
export const write = 'create delete deletecollection patch update';
export const readWrite = 'create delete deletecollection get list patch update watch';

export function clusterRole(
  name: string,
  rules: readonly PolicyRule[],
  labels: Readonly<Record<string, string>> = {},
): ClusterRole {
  return {
    apiVersion: rbacApiVersion,
    kind: 'ClusterRole',
    metadata: { name, labels: { ...defaultsLabel, ...labels }, annotations: autoUpdate },
    rules,
  };
}

export function clusterRoleBinding(name: string, role: string, subjects: readonly RbacV1Subject[]): ClusterRoleBinding {
  return {
    apiVersion: rbacApiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name, labels: defaultsLabel, annotations: autoUpdate },
    roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name: role },
    subjects,
  };
}

export function role(namespace: string, name: string, rules: readonly PolicyRule[]): Role {
  const metadata = { name, namespace, labels: defaultsLabel, annotations: autoUpdate };
  return { apiVersion: rbacApiVersion, kind: 'Role', metadata, rules };
}

export function roleBinding(
  namespace: string,
  name: string,
  roleName: string,
  subjects: readonly RbacV1Subject[],
): RoleBinding {
  const metadata = { name, namespace, labels: defaultsLabel, annotations: autoUpdate };
  const roleRef = { apiGroup: rbacGroup, kind: 'Role', name: roleName };
  return { apiVersion: rbacApiVersion, kind: 'RoleBinding', metadata, roleRef, subjects };
}

export const user = (name: string): RbacV1Subject => ({ apiGroup: rbacGroup, kind: 'User', name });
export const group = (name: string): RbacV1Subject => ({ apiGroup: rbacGroup, kind: 'Group', name });
export const serviceAccount = (name: string, namespace = 'kube-system'): RbacV1Subject => ({
  kind: 'ServiceAccount',
  name,
  namespace,
});
