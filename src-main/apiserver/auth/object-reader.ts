import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';

/** Reads the server's own watch caches, without a request. Everything that comes back is frozen. */
export interface ObjectReader {
  /** `group` and `resource` as in a URL; of all namespaces when none is named. */
  list(group: string, resource: string, namespace?: string): readonly KubeObject[];
  get(group: string, resource: string, namespace: string, name: string): KubeObject | undefined;
}

/** The RBAC objects of an {@link ObjectReader}. What the store holds has been validated, so its types are taken on trust. */
export class RbacReader {
  readonly #reader: ObjectReader;

  constructor(reader: ObjectReader) {
    this.#reader = reader;
  }

  clusterRoles(): readonly ClusterRole[] {
    return this.#reader.list(rbacGroup, 'clusterroles') as readonly ClusterRole[];
  }
  clusterRole(name: string): ClusterRole | undefined {
    return this.#reader.get(rbacGroup, 'clusterroles', '', name) as ClusterRole | undefined;
  }
  clusterRoleBindings(): readonly ClusterRoleBinding[] {
    return this.#reader.list(rbacGroup, 'clusterrolebindings') as readonly ClusterRoleBinding[];
  }
  role(namespace: string, name: string): Role | undefined {
    return this.#reader.get(rbacGroup, 'roles', namespace, name) as Role | undefined;
  }
  roleBindings(namespace: string): readonly RoleBinding[] {
    return this.#reader.list(rbacGroup, 'rolebindings', namespace) as readonly RoleBinding[];
  }
}

export const rbacGroup = 'rbac.authorization.k8s.io';
