import type { ClusterRole, ClusterRoleBinding, PolicyRule } from '#api/gen/types';
import { allow, clusterRole, clusterRoleBinding, eventWrites, read, serviceAccount } from './rules.ts';

/** One role a controller, bound to its service account in kube-system, as `--use-service-account-credentials` uses them. */

const controllers: Readonly<Record<string, readonly PolicyRule[]>> = {
  'certificate-controller': [
    allow('delete get list watch', 'certificates.k8s.io', 'certificatesigningrequests'),
    allow('update', 'certificates.k8s.io', 'certificatesigningrequests/approval certificatesigningrequests/status'),
    allow('approve', 'certificates.k8s.io', 'signers', ['kubernetes.io/kube-apiserver-client-kubelet']),
    allow('sign', 'certificates.k8s.io', 'signers', [
      'kubernetes.io/legacy-unknown',
      'kubernetes.io/kubelet-serving',
      'kubernetes.io/kube-apiserver-client-kubelet',
      'kubernetes.io/kube-apiserver-client',
    ]),
    allow('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    eventWrites,
  ],
  // Not upstream's: a cluster brings its own approver of serving certificates, and this is ours.
  'kubelet-serving-approver': [
    allow(read, 'certificates.k8s.io', 'certificatesigningrequests'),
    allow('update', 'certificates.k8s.io', 'certificatesigningrequests/approval'),
    allow('approve', 'certificates.k8s.io', 'signers', ['kubernetes.io/kubelet-serving']),
    allow(read, 'core', 'nodes'),
    eventWrites,
  ],
  'clusterrole-aggregation-controller': [
    allow('escalate get list patch update watch', 'rbac.authorization.k8s.io', 'clusterroles'),
  ],
  'cronjob-controller': [
    allow('get list update watch', 'batch', 'cronjobs'),
    allow('create delete get list patch update watch', 'batch', 'jobs'),
    allow('update', 'batch', 'cronjobs/finalizers cronjobs/status'),
    allow('delete list', 'core', 'pods'),
    eventWrites,
  ],
  'daemon-set-controller': [
    allow(read, 'apps', 'daemonsets'),
    allow('update', 'apps', 'daemonsets/finalizers daemonsets/status'),
    allow('list watch', 'core', 'nodes'),
    allow('create delete list patch watch', 'core', 'pods'),
    allow('create', 'core', 'pods/binding'),
    allow('create delete get list patch update watch', 'apps', 'controllerrevisions'),
    eventWrites,
  ],
  'deployment-controller': [
    allow('get list update watch', 'apps', 'deployments'),
    allow('update', 'apps', 'deployments/finalizers deployments/status'),
    allow('create delete get list patch update watch', 'apps', 'replicasets'),
    allow('get list update watch', 'core', 'pods'),
    eventWrites,
  ],
  'disruption-controller': [
    allow(read, 'apps', 'deployments replicasets statefulsets'),
    allow(read, 'core', 'replicationcontrollers'),
    allow(read, 'policy', 'poddisruptionbudgets'),
    allow('update', 'policy', 'poddisruptionbudgets/status'),
    allow('patch update', 'core', 'pods/status'),
    allow('get', '*', '*/scale'),
    eventWrites,
  ],
  'endpoint-controller': [
    allow(read, 'core', 'pods services'),
    allow('create delete get list update', 'core', 'endpoints'),
    allow('create', 'core', 'endpoints/restricted'),
    eventWrites,
  ],
  'endpointslice-controller': [
    allow(read, 'core', 'nodes pods services'),
    allow('update', 'core', 'services/finalizers'),
    allow('create delete get list update', 'discovery.k8s.io', 'endpointslices'),
    allow('create', 'discovery.k8s.io', 'endpointslices/restricted'),
    eventWrites,
  ],
  'endpointslicemirroring-controller': [
    allow(read, 'core', 'endpoints services'),
    allow('update', 'core', 'services/finalizers'),
    allow('update', 'core', 'endpoints/finalizers'),
    allow('create delete get list update', 'discovery.k8s.io', 'endpointslices'),
    allow('create', 'discovery.k8s.io', 'endpointslices/restricted'),
    eventWrites,
  ],
  'ephemeral-volume-controller': [
    allow(read, 'core', 'pods'),
    allow('update', 'core', 'pods/finalizers'),
    allow('create get list watch', 'core', 'persistentvolumeclaims'),
    eventWrites,
  ],
  'generic-garbage-collector': [allow('delete get list patch update watch', '*', '*'), eventWrites],
  'horizontal-pod-autoscaler': [
    allow(read, 'autoscaling', 'horizontalpodautoscalers'),
    allow('update', 'autoscaling', 'horizontalpodautoscalers/status'),
    allow('get update', '*', '*/scale'),
    allow('list', 'core', 'pods'),
    eventWrites,
  ],
  'job-controller': [
    allow('get list patch update watch', 'batch', 'jobs'),
    allow('update', 'batch', 'jobs/finalizers jobs/status'),
    allow('create delete list patch watch', 'core', 'pods'),
    eventWrites,
  ],
  'namespace-controller': [
    allow('delete get list watch', 'core', 'namespaces'),
    allow('update', 'core', 'namespaces/finalize namespaces/status'),
    allow('delete deletecollection get list', '*', '*'),
  ],
  'node-controller': [
    allow('delete get list patch update', 'core', 'nodes'),
    allow('patch update', 'core', 'nodes/status'),
    allow('patch update', 'core', 'pods/status'),
    allow('delete get list', 'core', 'pods'),
    eventWrites,
  ],
  'persistent-volume-binder': [
    allow('create delete get list update watch', 'core', 'persistentvolumes'),
    allow('update', 'core', 'persistentvolumes/status'),
    allow('get list update watch', 'core', 'persistentvolumeclaims'),
    allow('update', 'core', 'persistentvolumeclaims/status'),
    allow('create delete get list watch', 'core', 'pods'),
    allow(read, 'storage.k8s.io', 'storageclasses'),
    eventWrites,
  ],
  'pod-garbage-collector': [
    allow('delete list watch', 'core', 'pods'),
    allow('get list', 'core', 'nodes'),
    allow('patch', 'core', 'pods/status'),
  ],
  'replicaset-controller': [
    allow('get list update watch', 'apps', 'replicasets'),
    allow('update', 'apps', 'replicasets/finalizers replicasets/status'),
    allow('create delete list patch watch', 'core', 'pods'),
    eventWrites,
  ],
  'replication-controller': [
    allow('get list update watch', 'core', 'replicationcontrollers'),
    allow('update', 'core', 'replicationcontrollers/finalizers replicationcontrollers/status'),
    allow('create delete list patch watch', 'core', 'pods'),
    eventWrites,
  ],
  'resourcequota-controller': [
    allow('list watch', '*', '*'),
    allow('update', 'core', 'resourcequotas/status'),
    eventWrites,
  ],
  'root-ca-cert-publisher': [allow('create update', 'core', 'configmaps'), eventWrites],
  'service-account-controller': [allow('create', 'core', 'serviceaccounts'), eventWrites],
  'service-controller': [
    allow(read, 'core', 'services'),
    allow('patch update', 'core', 'services/status'),
    allow('list watch', 'core', 'nodes'),
    eventWrites,
  ],
  'statefulset-controller': [
    allow('list watch', 'core', 'pods'),
    allow(read, 'apps', 'statefulsets'),
    allow('update', 'apps', 'statefulsets/finalizers statefulsets/status'),
    allow('create delete get patch update', 'core', 'pods'),
    allow('create delete get list patch update watch', 'apps', 'controllerrevisions'),
    allow('create get', 'core', 'persistentvolumeclaims'),
    eventWrites,
  ],
  'token-cleaner': [allow('delete get list watch', 'core', 'secrets'), eventWrites],
  'ttl-after-finished-controller': [allow('delete get list watch', 'batch', 'jobs'), eventWrites],
  'ttl-controller': [allow('list patch update watch', 'core', 'nodes'), eventWrites],
};

const roleName = (controller: string): string => `system:controller:${controller}`;

export const controllerRoles: readonly ClusterRole[] = Object.entries(controllers).map(([name, rules]) =>
  clusterRole(roleName(name), rules),
);

export const controllerRoleBindings: readonly ClusterRoleBinding[] = Object.keys(controllers).map((name) =>
  clusterRoleBinding(roleName(name), roleName(name), [serviceAccount(name)]),
);
