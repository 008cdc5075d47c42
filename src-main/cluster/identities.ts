import type { UserInfo } from '#apiserver/request';

/** Version the control plane and kubelets claim. */
export const kubernetesVersion = 'v1.36.0';

const authenticated = 'system:authenticated';

function user(name: string, ...groups: string[]): UserInfo {
  return Object.freeze({ name, groups: Object.freeze([...groups, authenticated]) });
}

function serviceAccount(namespace: string, name: string): UserInfo {
  return user(`system:serviceaccount:${namespace}:${name}`, 'system:serviceaccounts', `system:serviceaccounts:${namespace}`);
}

/** As whom each part of a cluster speaks (kubeadm's certificates and service accounts, release 1.36). */
export const identities = {
  admin: user('kubernetes-admin', 'system:masters'),
  scheduler: user('system:kube-scheduler'),
  controllerManager: user('system:kube-controller-manager'),
  kubeProxy: user('system:kube-proxy'),
  coredns: serviceAccount('kube-system', 'coredns'),
  /** A controller's own service account (`--use-service-account-credentials`). */
  controller: (account: string): UserInfo => serviceAccount('kube-system', account),
  kubelet: (nodeName: string): UserInfo => user(`system:node:${nodeName}`, 'system:nodes'),
} as const;
