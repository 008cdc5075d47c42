import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '#api/gen/types';
import { defaultRoleBinding } from '../defaults/other.ts';
import { isPathSegment } from '../machinery/names.ts';
import { clusterRoleBindingColumns, clusterRoleColumns, roleBindingColumns, roleColumns } from '../printers/cluster.ts';
import * as validation from '../validation/other.ts';
import { define } from './define.ts';
import type { ResourceDefinition } from './definition.ts';

const rbac = {
  group: 'rbac.authorization.k8s.io',
  version: 'v1',
  allowCreateOnUpdate: true,
  checkName: isPathSegment,
} as const;

const binding = {
  ...rbac,
  applyDefaults: defaultRoleBinding,
  validate: validation.validateRoleBinding,
  validateUpdate: validation.validateRoleBindingUpdate,
} as const;

export const rbacResources: readonly ResourceDefinition[] = [
  define<ClusterRoleBinding>({
    ...binding,
    kind: 'ClusterRoleBinding',
    plural: 'clusterrolebindings',
    namespaced: false,
    columns: clusterRoleBindingColumns,
  }),
  define<ClusterRole>({
    ...rbac,
    kind: 'ClusterRole',
    plural: 'clusterroles',
    namespaced: false,
    validate: validation.validateClusterRole,
    columns: clusterRoleColumns,
  }),
  define<RoleBinding>({ ...binding, kind: 'RoleBinding', plural: 'rolebindings', columns: roleBindingColumns }),
  define<Role>({ ...rbac, kind: 'Role', plural: 'roles', validate: validation.validateRole, columns: roleColumns }),
];
