import type { ClusterRole, PolicyRule } from '#api/gen/types';
import { allow, allowPaths, clusterRole, read, readWrite, write } from './rules.ts';

/** Roles for people: cluster-admin, and admin, edit and view with the parts they are added up from (release 1.36). */

const aggregate = (to: string): Record<string, string> => ({
  [`rbac.authorization.k8s.io/aggregate-to-${to}`]: 'true',
});

const adminOnly: readonly PolicyRule[] = [
  allow('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
  allow(readWrite, 'rbac.authorization.k8s.io', 'roles rolebindings'),
];

const editOnly: readonly PolicyRule[] = [
  allow(read, 'core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
  allow('impersonate', 'core', 'serviceaccounts'),
  allow(write, 'core', 'pods pods/attach pods/exec pods/portforward pods/proxy'),
  allow('create', 'core', 'pods/eviction'),
  allow(
    write,
    'core',
    'configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
  ),
  allow('create', 'core', 'serviceaccounts/token'),
  allow(
    write,
    'apps',
    'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
  ),
  allow(write, 'autoscaling', 'horizontalpodautoscalers'),
  allow(write, 'batch', 'cronjobs jobs'),
  allow(write, 'policy', 'poddisruptionbudgets'),
  allow(write, 'networking.k8s.io', 'ingresses networkpolicies'),
  allow(readWrite, 'coordination.k8s.io', 'leases'),
];

const viewOnly: readonly PolicyRule[] = [
  allow(
    read,
    'core',
    'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
  ),
  allow(
    read,
    'core',
    'bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
  ),
  allow(read, 'core', 'namespaces'),
  allow(read, 'discovery.k8s.io', 'endpointslices'),
  allow(
    read,
    'apps',
    'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
  ),
  allow(read, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  allow(read, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
  allow(read, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  allow(read, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
];

/** An aggregated role, already holding the sum of the parts below; what users label is added when it is asked for. */
function aggregated(
  name: string,
  rules: readonly PolicyRule[],
  labels: Readonly<Record<string, string>> = {},
): ClusterRole {
  return {
    ...clusterRole(name, rules, labels),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: aggregate(name) }] },
  };
}

export const userRoles: readonly ClusterRole[] = [
  clusterRole('cluster-admin', [allow('*', '*', '*'), allowPaths('*', '*')]),
  aggregated('admin', [...adminOnly, ...editOnly, ...viewOnly]),
  aggregated('edit', [...editOnly, ...viewOnly], aggregate('admin')),
  aggregated('view', viewOnly, aggregate('edit')),
  clusterRole('system:aggregate-to-admin', adminOnly, aggregate('admin')),
  clusterRole('system:aggregate-to-edit', editOnly, aggregate('edit')),
  clusterRole('system:aggregate-to-view', viewOnly, aggregate('view')),
];
