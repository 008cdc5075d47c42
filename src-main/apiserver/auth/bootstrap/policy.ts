import type { ClusterRoleBinding, Role, RoleBinding } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { deepFreeze } from '#base/freeze';
import { allAuthenticated } from '../authenticator.ts';
import { serviceAccountsGroup } from '../service-account-name.ts';
import { componentRoles } from './component-roles.ts';
import { kubeadmPolicy } from './kubeadm-policy.ts';
import { controllerRoleBindings, controllerRoles } from './controller-roles.ts';
import { allow, clusterRoleBinding, group, read, role, roleBinding, serviceAccount, user } from './rules.ts';
import { userRoles } from './user-roles.ts';

const manager = 'system:kube-controller-manager';
const scheduler = 'system:kube-scheduler';
const everybody = [group(allAuthenticated)];

const bindings: readonly ClusterRoleBinding[] = [
  clusterRoleBinding('cluster-admin', 'cluster-admin', [group('system:masters')]),
  clusterRoleBinding('system:monitoring', 'system:monitoring', [group('system:monitoring')]),
  clusterRoleBinding('system:discovery', 'system:discovery', everybody),
  clusterRoleBinding('system:basic-user', 'system:basic-user', everybody),
  clusterRoleBinding('system:public-info-viewer', 'system:public-info-viewer', [
    ...everybody,
    group('system:unauthenticated'),
  ]),
  clusterRoleBinding('system:service-account-issuer-discovery', 'system:service-account-issuer-discovery', [
    group(serviceAccountsGroup),
  ]),
  clusterRoleBinding('system:node-proxier', 'system:node-proxier', [user('system:kube-proxy')]),
  clusterRoleBinding(scheduler, scheduler, [user(scheduler)]),
  clusterRoleBinding('system:volume-scheduler', 'system:volume-scheduler', [user(scheduler)]),
  clusterRoleBinding(manager, manager, [user(manager)]),
  clusterRoleBinding('system:kube-dns', 'system:kube-dns', [serviceAccount('kube-dns')]),
  clusterRoleBinding('system:coredns', 'system:coredns', [serviceAccount('coredns')]),
  // Nodes are the node authorizer's: the binding is there, as upstream has it, and names nobody.
  clusterRoleBinding('system:node', 'system:node', []),
  ...controllerRoleBindings,
];

const kubeSystem = 'kube-system';
const leader = (name: string): readonly Role[] => [
  role(kubeSystem, `system::leader-locking-${name}`, [
    allow('watch', 'core', 'configmaps'),
    allow('get update', 'core', 'configmaps', [name]),
  ]),
];

const namespacedRoles: readonly Role[] = [
  role(kubeSystem, 'extension-apiserver-authentication-reader', [
    allow(read, 'core', 'configmaps', ['extension-apiserver-authentication']),
  ]),
  role(kubeSystem, 'system:controller:token-cleaner', [allow('delete get list watch', 'core', 'secrets')]),
  ...leader('kube-controller-manager'),
  ...leader('kube-scheduler'),
];

const namespacedBindings: readonly RoleBinding[] = [
  roleBinding(
    kubeSystem,
    'system:extension-apiserver-authentication-reader',
    'extension-apiserver-authentication-reader',
    [user(manager), user(scheduler)],
  ),
  roleBinding(kubeSystem, 'system:controller:token-cleaner', 'system:controller:token-cleaner', [
    serviceAccount('token-cleaner'),
  ]),
  roleBinding(
    kubeSystem,
    'system::leader-locking-kube-controller-manager',
    'system::leader-locking-kube-controller-manager',
    [user(manager), serviceAccount('kube-controller-manager')],
  ),
  roleBinding(kubeSystem, 'system::leader-locking-kube-scheduler', 'system::leader-locking-kube-scheduler', [
    user(scheduler),
    serviceAccount('kube-scheduler'),
  ]),
];

/**
 * The roles and bindings an API server makes sure of when it starts (`post-start-hook rbac/bootstrap-roles`, release 1.36).
 * Those that are there stay as people changed them: a lab is made by one release, which has no rules to add to them.
 */
export const bootstrapPolicy: readonly KubeObject[] = deepFreeze([
  ...userRoles,
  ...componentRoles,
  ...controllerRoles,
  ...bindings,
  ...namespacedRoles,
  ...namespacedBindings,
  ...kubeadmPolicy,
]);
