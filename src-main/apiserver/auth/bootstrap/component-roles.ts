import type { ClusterRole, PolicyRule } from '#api/gen/types';
import { allow, allowPaths, clusterRole, eventWrites, read } from './rules.ts';

/** Roles of the cluster's own parts and of everybody (bootstrap policy of kube-apiserver, release 1.36). */

const healthPaths = '/healthz /livez /readyz';
const reviews = allow('create', 'authentication.k8s.io', 'tokenreviews');
const accessReviews = allow('create', 'authorization.k8s.io', 'subjectaccessreviews');

/** What a kubelet may do, by the role and by the node authorizer alike; its secrets and configmaps depend on its pods. */
export const nodeRules: readonly PolicyRule[] = [
  reviews,
  allow('create', 'authorization.k8s.io', 'localsubjectaccessreviews subjectaccessreviews'),
  allow(read, 'core', 'services'),
  allow('create get list watch', 'core', 'nodes'),
  allow('patch update', 'core', 'nodes/status'),
  allow('patch update', 'core', 'nodes'),
  allow('create patch update', 'core events.k8s.io', 'events'),
  allow(read, 'core', 'pods'),
  allow('create delete', 'core', 'pods'),
  allow('patch update', 'core', 'pods/status'),
  allow('create', 'core', 'pods/eviction'),
  allow(read, 'core', 'configmaps secrets'),
  allow('get', 'core', 'persistentvolumeclaims persistentvolumes'),
  allow('get', 'core', 'endpoints'),
  allow('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
  allow('create delete get patch update', 'coordination.k8s.io', 'leases'),
  allow('get', 'storage.k8s.io', 'volumeattachments'),
  allow('create', 'core', 'serviceaccounts/token'),
  allow('get patch update', 'core', 'persistentvolumeclaims/status'),
  allow(read, 'storage.k8s.io', 'csidrivers'),
  allow('create delete get patch update', 'storage.k8s.io', 'csinodes'),
  allow(read, 'node.k8s.io', 'runtimeclasses'),
  allow('get list watch', 'core', 'serviceaccounts'),
];

const schedulerRules: readonly PolicyRule[] = [
  eventWrites,
  allow('create get list patch update watch', 'coordination.k8s.io', 'leases'),
  allow(read, 'core', 'nodes'),
  allow('delete get list watch', 'core', 'pods'),
  allow('create', 'core', 'bindings pods/binding'),
  allow('patch update', 'core', 'pods/status'),
  allow(read, 'core', 'namespaces persistentvolumeclaims persistentvolumes replicationcontrollers services'),
  allow(read, 'apps', 'replicasets statefulsets'),
  allow(read, 'policy', 'poddisruptionbudgets'),
  allow(read, 'storage.k8s.io', 'csidrivers csinodes csistoragecapacities storageclasses'),
  allow(read, 'scheduling.k8s.io', 'priorityclasses'),
  reviews,
  accessReviews,
];

const controllerManagerRules: readonly PolicyRule[] = [
  eventWrites,
  allow('create get list patch update watch', 'coordination.k8s.io', 'leases'),
  allow('create', 'core', 'secrets serviceaccounts'),
  allow('delete', 'core', 'secrets'),
  allow('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
  allow('update', 'core', 'secrets serviceaccounts'),
  reviews,
  accessReviews,
  allow('list watch', '*', '*'),
  allow('create', 'core', 'serviceaccounts/token'),
];

const dnsRules: readonly PolicyRule[] = [
  allow('list watch', 'core', 'endpoints namespaces pods services'),
  allow('list watch', 'discovery.k8s.io', 'endpointslices'),
];

const signing = 'certificates.k8s.io';

/** May approve what asks `signer` for a certificate. */
const approver = (signer: string): ClusterRole =>
  clusterRole(`system:certificates.k8s.io:${signer}-approver`, [
    allow('approve', signing, 'signers', [`kubernetes.io/${signer}`]),
  ]);

/** Who may have a kubelet's client certificate without asking a person: checked by the approving controller. */
const requester = (subresource: string): ClusterRole =>
  clusterRole(`system:certificates.k8s.io:certificatesigningrequests:${subresource}`, [
    allow('create', signing, `certificatesigningrequests/${subresource}`),
  ]);

export const componentRoles: readonly ClusterRole[] = [
  ...['legacy-unknown', 'kubelet-serving', 'kube-apiserver-client', 'kube-apiserver-client-kubelet'].map(approver),
  ...['nodeclient', 'selfnodeclient'].map(requester),
  clusterRole('system:discovery', [
    allowPaths('get', `/api /api/* /apis /apis/* ${healthPaths} /openapi /openapi/* /version /version/`),
  ]),
  clusterRole('system:public-info-viewer', [allowPaths('get', `${healthPaths} /version /version/`)]),
  clusterRole('system:monitoring', [
    allowPaths('get', `/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*`),
  ]),
  clusterRole('system:basic-user', [
    allow('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
    allow('create', 'authentication.k8s.io', 'selfsubjectreviews'),
  ]),
  clusterRole('system:service-account-issuer-discovery', [
    allowPaths(
      'get',
      '/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/',
    ),
  ]),
  clusterRole('system:auth-delegator', [reviews, accessReviews]),
  clusterRole('system:heapster', [
    allow(read, 'core', 'events namespaces nodes pods'),
    allow(read, 'apps', 'deployments'),
  ]),
  clusterRole('system:kube-aggregator', [
    allow(read, 'core', 'endpoints services'),
    allow(read, 'discovery.k8s.io', 'endpointslices'),
  ]),
  clusterRole('system:kubelet-api-admin', [
    allow(read, 'core', 'nodes'),
    allow('proxy', 'core', 'nodes'),
    allow('*', 'core', 'nodes/log nodes/metrics nodes/proxy nodes/stats'),
  ]),
  clusterRole('system:node', nodeRules),
  clusterRole('system:node-problem-detector', [
    allow('get', 'core', 'nodes'),
    allow('patch', 'core', 'nodes/status'),
    eventWrites,
  ]),
  clusterRole('system:node-bootstrapper', [
    allow('create get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
  ]),
  clusterRole('system:node-proxier', [
    allow('list watch', 'core', 'endpoints services'),
    allow(read, 'core', 'nodes'),
    eventWrites,
    allow('list watch', 'discovery.k8s.io', 'endpointslices'),
  ]),
  clusterRole('system:kube-scheduler', schedulerRules),
  clusterRole('system:volume-scheduler', [
    allow('get list patch update watch', 'core', 'persistentvolumes'),
    allow(read, 'storage.k8s.io', 'storageclasses'),
    allow('get list patch update watch', 'core', 'persistentvolumeclaims'),
  ]),
  clusterRole('system:kube-controller-manager', controllerManagerRules),
  clusterRole('system:kube-dns', [allow('list watch', 'core', 'endpoints services')]),
  clusterRole('system:coredns', dnsRules),
];
