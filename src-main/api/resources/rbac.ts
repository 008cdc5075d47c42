import { isPathSegment } from '../machinery/names.ts';
import { clusterRoleBindingColumns, clusterRoleColumns, roleBindingColumns, roleColumns } from '../printers/cluster.ts';
import { define } from './define.ts';
import type { ResourceDefinition } from './definition.ts';

const rbac = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  allowCreateOnUpdate: true,
  checkName: isPathSegment,
} as const;

export const rbacResources: readonly ResourceDefinition[] = [
  define({
    ...rbac,
    kind: 'ClusterRoleBinding',
    plural: 'clusterrolebindings',
    namespaced: false,
    columns: clusterRoleBindingColumns,
  }),
  define({ ...rbac, kind: 'ClusterRole', plural: 'clusterroles', namespaced: false, columns: clusterRoleColumns }),
  define({ ...rbac, kind: 'RoleBinding', plural: 'rolebindings', columns: roleBindingColumns }),
  define({ ...rbac, kind: 'Role', plural: 'roles', columns: roleColumns }),
];
