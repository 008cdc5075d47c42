import type { KubeObject } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import { RestClient } from '#client/rest-client';
import type { Transport } from '#client/transport';
import type { GroupVersionResource } from '#api/machinery/object';
import {
  clusterRoleBindings,
  clusterRoles,
  configMaps,
  deployments,
  serviceAccounts,
  services,
} from '#client/resources';
import { clusterDomain, corednsVersion } from './workers/coredns-program.ts';

export const dnsServiceIp = '10.96.0.10';
const namespace = 'kube-system';
const dnsLabels = { 'k8s-app': 'kube-dns' };

interface Addon {
  readonly resource: GroupVersionResource;
  readonly object: KubeObject & Readonly<Record<string, unknown>>;
}

/** The DNS addon as `kubeadm init phase addon coredns` installs it (release 1.36). */
const addons: readonly Addon[] = [
  {
    resource: serviceAccounts,
    object: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'coredns', namespace } },
  },
  {
    resource: clusterRoles,
    object: {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'system:coredns' },
      rules: [
        { apiGroups: [''], resources: ['endpoints', 'services', 'pods', 'namespaces'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    },
  },
  {
    resource: clusterRoleBindings,
    object: {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name: 'system:coredns' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'system:coredns' },
      subjects: [{ kind: 'ServiceAccount', name: 'coredns', namespace }],
    },
  },
  {
    resource: configMaps,
    object: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'coredns', namespace },
      data: { Corefile: corefile() },
    },
  },
  ...networkAgentAccess(),
  { resource: services, object: dnsService() },
  { resource: deployments, object: dnsDeployment() },
];

/** What the network agents of real nodes may do: read what decides about packets, and annotate Nodes. */
function networkAgentAccess(): readonly Addon[] {
  const name = 'system:drydock-network';
  const rbac = 'rbac.authorization.k8s.io';
  const read = ['get', 'list', 'watch'];
  const rules = [
    { apiGroups: [''], resources: ['nodes'], verbs: [...read, 'patch'] },
    { apiGroups: [''], resources: ['pods', 'namespaces', 'services'], verbs: read },
    { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
    { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: read },
    { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] },
  ];
  const roleRef = { apiGroup: rbac, kind: 'ClusterRole', name };
  const subjects = [{ apiGroup: rbac, kind: 'User', name }];
  const apiVersion = `${rbac}/v1`;
  return [
    { resource: clusterRoles, object: { apiVersion, kind: 'ClusterRole', metadata: { name }, rules } },
    {
      resource: clusterRoleBindings,
      object: { apiVersion, kind: 'ClusterRoleBinding', metadata: { name }, roleRef, subjects },
    },
  ];
}

function corefile(): string {
  return [
    '.:53 {',
    '    errors',
    '    health {',
    '       lameduck 5s',
    '    }',
    '    ready',
    `    kubernetes ${clusterDomain} in-addr.arpa ip6.arpa {`,
    '       pods insecure',
    '       fallthrough in-addr.arpa ip6.arpa',
    '       ttl 30',
    '    }',
    '    prometheus :9153',
    '}',
    '',
  ].join('\n');
}

function dnsService(): Addon['object'] {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'kube-dns',
      namespace,
      labels: { ...dnsLabels, 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
      annotations: { 'prometheus.io/port': '9153', 'prometheus.io/scrape': 'true' },
    },
    spec: {
      clusterIP: dnsServiceIp,
      selector: dnsLabels,
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
        { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
        { name: 'metrics', port: 9153, protocol: 'TCP', targetPort: 9153 },
      ],
    },
  };
}

function dnsDeployment(): Addon['object'] {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'coredns', namespace, labels: dnsLabels },
    spec: {
      replicas: 2,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
      selector: { matchLabels: dnsLabels },
      template: { metadata: { labels: dnsLabels }, spec: dnsPodSpec() },
    },
  };
}

function dnsPodSpec(): object {
  const probe = (path: string, port: number): object => ({ httpGet: { path, port, scheme: 'HTTP' } });
  return {
    priorityClassName: 'system-cluster-critical',
    serviceAccountName: 'coredns',
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [
      { key: 'CriticalAddonsOnly', operator: 'Exists' },
      { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' },
    ],
    dnsPolicy: 'Default',
    containers: [
      {
        name: 'coredns',
        image: `registry.k8s.io/coredns/coredns:v${corednsVersion}`,
        imagePullPolicy: 'IfNotPresent',
        args: ['-conf', '/etc/coredns/Corefile'],
        resources: { limits: { memory: '170Mi' }, requests: { cpu: '100m', memory: '70Mi' } },
        ports: [
          { name: 'dns', containerPort: 53, protocol: 'UDP' },
          { name: 'dns-tcp', containerPort: 53, protocol: 'TCP' },
          { name: 'metrics', containerPort: 9153, protocol: 'TCP' },
        ],
        livenessProbe: {
          ...probe('/health', 8080),
          initialDelaySeconds: 60,
          timeoutSeconds: 5,
          successThreshold: 1,
          failureThreshold: 5,
        },
        readinessProbe: probe('/ready', 8181),
        volumeMounts: [{ name: 'config-volume', mountPath: '/etc/coredns', readOnly: true }],
      },
    ],
    volumes: [
      { name: 'config-volume', configMap: { name: 'coredns', items: [{ key: 'Corefile', path: 'Corefile' }] } },
    ],
  };
}

/** Creates what is missing; what a person changed stays as it is. */
export async function installAddons(context: Context, admin: Transport): Promise<void> {
  const client = new RestClient(admin);
  for (const { resource, object } of addons) {
    const { namespace: space = '', name = '' } = object.metadata;
    try {
      await client.resource(resource).get(context, space, name);
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
      await client.resource(resource).create(context, object);
    }
  }
}
