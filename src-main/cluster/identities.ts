import type { UserInfo } from '#apiserver/request';

/** Version the control plane and kubelets claim. */
export const kubernetesVersion = 'v1.36.0';

const authenticated = 'system:authenticated';

function user(name: string, ...groups: string[]): UserInfo {
  return Object.freeze({ name, groups: Object.freeze([...groups, authenticated]) });
}

function serviceAccount(namespace: string, name: string): UserInfo {
  return user(
    `system:serviceaccount:${namespace}:${name}`,
    'system:serviceaccounts',
    `system:serviceaccounts:${namespace}`,
  );
}

/** Service accounts of controllers whose account is not called as they are (cmd/kube-controller-manager/names, 1.36). */
const controllerAccounts: Readonly<Record<string, string>> = {
  'node-ipam-controller': 'node-controller',
  'node-lifecycle-controller': 'node-controller',
  'taint-eviction-controller': 'node-controller',
  'serviceaccount-controller': 'service-account-controller',
  'root-ca-certificate-publisher-controller': 'root-ca-cert-publisher',
  'daemonset-controller': 'daemon-set-controller',
  'endpoints-controller': 'endpoint-controller',
  'garbage-collector-controller': 'generic-garbage-collector',
  'pod-garbage-collector-controller': 'pod-garbage-collector',
  'certificatesigningrequest-signing-controller': 'certificate-controller',
  'certificatesigningrequest-approving-controller': 'certificate-controller',
  'certificatesigningrequest-cleaner-controller': 'certificate-controller',
  'token-cleaner-controller': 'token-cleaner',
  'service-lb-controller': 'service-controller',
};

/** As whom each part of a cluster speaks (kubeadm's certificates and service accounts, release 1.36). */
export const identities = {
  admin: user('kubernetes-admin', 'system:masters'),
  scheduler: user('system:kube-scheduler'),
  controllerManager: user('system:kube-controller-manager'),
  kubeProxy: user('system:kube-proxy'),
  coredns: serviceAccount('kube-system', 'coredns'),
  /** A controller's own service account (`--use-service-account-credentials`). */
  controller: (name: string): UserInfo => serviceAccount('kube-system', controllerAccounts[name] ?? name),
  kubelet: (nodeName: string): UserInfo => user(`system:node:${nodeName}`, 'system:nodes'),
} as const;
