import { dirname } from 'node:path';
import type { KubeObject, GroupVersionResource } from '#api/machinery/object';
import { clusterRoleBindings, clusterRoles, configMaps, serviceAccounts, services } from '#client/resources';
import { machinePaths } from '#machines/machine';
import { driverLabel, nodeResolverPort } from '#node-agent/agent-config';
import { apiAddress, dnsServiceIp } from './addresses.ts';
import { clusterDomain, corednsVersion } from './workers/coredns-program.ts';

const namespace = 'kube-system';
const dnsLabels = { 'k8s-app': 'kube-dns' };

const tolerations = [
  { key: 'CriticalAddonsOnly', operator: 'Exists' },
  { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' },
];
const probe = (path: string, port: number): object => ({ httpGet: { path, port, scheme: 'HTTP' } });
const portsAndProbes = {
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
};

export interface Addon {
  readonly resource: GroupVersionResource;
  readonly object: KubeObject & Readonly<Record<string, unknown>>;
}

/** What cluster DNS is on nodes of every kind: who it is, what it may read, its Service (kubeadm's addon, release 1.36). */
export const dnsAddons: readonly Addon[] = [
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
  { resource: services, object: dnsService() },
];

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

/** Cluster DNS of simulated nodes, where the image's program is the simulator's. */
export function dnsDeployment(): Addon['object'] {
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
  return {
    priorityClassName: 'system-cluster-critical',
    serviceAccountName: 'coredns',
    nodeSelector: { 'kubernetes.io/os': 'linux', [driverLabel]: 'embedded' },
    tolerations,
    dnsPolicy: 'Default',
    containers: [
      {
        name: 'coredns',
        image: `registry.k8s.io/coredns/coredns:v${corednsVersion}`,
        imagePullPolicy: 'IfNotPresent',
        args: ['-conf', '/etc/coredns/Corefile'],
        resources: { limits: { memory: '170Mi' }, requests: { cpu: '100m', memory: '70Mi' } },
        ...portsAndProbes,
        volumeMounts: [{ name: 'config-volume', mountPath: '/etc/coredns', readOnly: true }],
      },
    ],
    volumes: [
      { name: 'config-volume', configMap: { name: 'coredns', items: [{ key: 'Corefile', path: 'Corefile' }] } },
    ],
  };
}

/**
 * Cluster DNS of real nodes: one pod on each, which is our agent's `dns` with the node's own Node.js, so that no image has to be
 * pulled. A node's rules leave out endpoints on simulated nodes, so these are the ones its pods ask.
 */
export function dnsDaemonSet(): Addon['object'] {
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'coredns-node', namespace, labels: dnsLabels },
    spec: {
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
      selector: { matchLabels: { ...dnsLabels, 'drydock.dev/dns': 'node' } },
      template: { metadata: { labels: { ...dnsLabels, 'drydock.dev/dns': 'node' } }, spec: nodeDnsPodSpec() },
    },
  };
}

function nodeDnsPodSpec(): object {
  const matchExpressions = [{ key: driverLabel, operator: 'In', values: ['docker', 'ssh'] }];
  const folders = { usr: '/usr', lib: '/lib', lib64: '/lib64', drydock: dirname(machinePaths.agentBundle) };
  const program = ['node', '--max-old-space-size=96', machinePaths.agentBundle, 'dns', '--domain', clusterDomain];
  return {
    priorityClassName: 'system-node-critical',
    serviceAccountName: 'coredns',
    affinity: {
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } },
    },
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations,
    dnsPolicy: 'Default',
    containers: [
      {
        name: 'coredns',
        image: 'docker.io/library/busybox:1.36',
        imagePullPolicy: 'IfNotPresent',
        // A machine's Node.js may be Debian's or one that was brought along.
        command: ['/usr/bin/env', `PATH=/usr/local/bin:/usr/bin:/bin:${folders.drydock}/bin`, ...program],
        args: ['--upstream', `${apiAddress.ip}:${nodeResolverPort}`],
        resources: { limits: { memory: '170Mi' }, requests: { cpu: '100m', memory: '70Mi' } },
        ...portsAndProbes,
        // Node.js has no port open at the first look. Upstream's 10 s to the next would be 10 s without DNS after each start, and
        // its 30 s until an endpoint that does not answer is taken out would be as long with lost questions.
        readinessProbe: { ...portsAndProbes.readinessProbe, periodSeconds: 1, timeoutSeconds: 5 },
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] },
          readOnlyRootFilesystem: true,
        },
        volumeMounts: Object.entries(folders).map(([name, mountPath]) => ({ name, mountPath, readOnly: true })),
      },
    ],
    volumes: Object.entries(folders).map(([name, path]) => ({ name, hostPath: { path } })),
  };
}
