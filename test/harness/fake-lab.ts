import type { Pod } from '#api/gen/types';
import type { ComponentTruth, MachineTruth } from '#contract/labs';
import { stepsUntil, type FakeHost } from './fake-host.ts';

const nodes = ['worker-1', 'worker-2', 'worker-3'];

function machine(name: string, role: MachineTruth['role'], nowMs: number): MachineTruth {
  return {
    kind: 'machine',
    id: `machine/${name}`,
    name,
    role,
    driver: 'embedded',
    address: '10.0.0.1',
    state: 'running',
    sinceMs: nowMs,
  };
}

function component(
  id: ComponentTruth['component'],
  name: string,
  nowMs: number,
  metrics: Record<string, number>,
  note?: string,
): ComponentTruth {
  const rest = { state: 'running', sinceMs: nowMs, metrics, ...(note ? { note } : {}) } as const;
  return { kind: 'component', id: `${id}/${name}`, component: id, machine: name, ...rest };
}

function owner(kind: string, name: string) {
  return [{ apiVersion: 'apps/v1', kind, name, uid: `${kind}/${name}`, controller: true }];
}

interface PodFacts {
  readonly name: string;
  readonly node?: string;
  readonly owner: readonly [kind: string, name: string];
  readonly state?: 'ready' | 'starting' | 'crashing' | 'done' | 'unschedulable';
  readonly namespace?: string;
}

function pod(host: FakeHost, facts: PodFacts): Pod {
  const { name, node, state = 'ready', namespace = 'default' } = facts;
  const base = { name: 'main', image: 'nginx:1.29', imageID: '', restartCount: state === 'crashing' ? 6 : 0 };
  const running = { ...base, ready: true, state: { running: { startedAt: host.now(240_000) } } };
  const waiting = (reason: string) => ({
    ...base,
    ready: false,
    state: { waiting: { reason, message: `back-off 5m0s restarting ${name}` } },
  });
  const ready = (status: string) => [{ type: 'Ready', status, lastTransitionTime: host.now(200_000) }];
  const status = {
    ready: { phase: 'Running', podIP: '10.244.1.7', conditions: ready('True'), containerStatuses: [running] },
    starting: { phase: 'Pending', conditions: ready('False'), containerStatuses: [waiting('ContainerCreating')] },
    crashing: { phase: 'Running', conditions: ready('False'), containerStatuses: [waiting('CrashLoopBackOff')] },
    done: { phase: 'Succeeded' },
    unschedulable: {
      phase: 'Pending',
      conditions: [
        {
          type: 'PodScheduled',
          status: 'False',
          message: '0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.',
        },
      ],
    },
  }[state];
  const tolerations = ['not-ready', 'unreachable'].map((key) => ({
    key: `node.kubernetes.io/${key}`,
    operator: 'Exists',
    effect: 'NoExecute',
    ...(namespace === 'kube-system' ? {} : { tolerationSeconds: 300 }),
  }));
  const containers = [{ name: 'main', image: 'nginx:1.29', resources: { requests: { cpu: '200m', memory: '160Mi' } } }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      creationTimestamp: host.now(260_000),
      ownerReferences: owner(facts.owner[0], facts.owner[1]),
    },
    spec: { containers, tolerations, ...(node ? { nodeName: node } : {}) },
    status,
  };
}

function putNode(
  host: FakeHost,
  name: string,
  index: number,
  status: 'True' | 'Unknown',
  agoMs: number,
  leaseAgoMs: number,
): void {
  const taints =
    status === 'True'
      ? []
      : [{ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', timeAdded: host.now(agoMs) }];
  const user = status === 'True' ? `system:node:${name}` : 'system:serviceaccount:kube-system:node-controller';
  const condition = {
    type: 'Ready',
    status,
    reason: status === 'True' ? 'KubeletReady' : 'NodeStatusUnknown',
    lastTransitionTime: host.now(agoMs),
  };
  host.put(
    'nodes',
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'topology.kubernetes.io/zone': 'abc'[index] ?? 'a' } },
      ...{ spec: { podCIDR: `10.244.${index}.0/24`, taints } },
      ...{
        status: {
          conditions: [condition],
          allocatable: { cpu: '2', memory: '2Gi', pods: '110' },
          nodeInfo: { kubeletVersion: 'v1.36.0', containerRuntimeVersion: 'simulator://1.36.0' },
        },
      },
    } as never,
    user,
    `patch nodes/status ${name}`,
  );
  host.put(
    'leases',
    {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name, namespace: 'kube-node-lease' },
      ...{ spec: { renewTime: host.now(leaseAgoMs) } },
    },
    `system:node:${name}`,
    `update leases kube-node-lease/${name}`,
  );
}

const pods: readonly PodFacts[] = [
  { name: 'web-7d4b9c-x0x4k', node: 'worker-1', owner: ['ReplicaSet', 'web-7d4b9c'] },
  { name: 'web-7d4b9c-9kqzz', node: 'worker-1', owner: ['ReplicaSet', 'web-7d4b9c'] },
  { name: 'api-5f6d-77cpl', node: 'worker-1', owner: ['ReplicaSet', 'api-5f6d'] },
  { name: 'db-0', node: 'worker-1', owner: ['StatefulSet', 'db'] },
  { name: 'coredns-66-kv2x', node: 'worker-1', owner: ['ReplicaSet', 'coredns-66'], namespace: 'kube-system' },
  { name: 'web-7d4b9c-p2mvv', node: 'worker-1', owner: ['ReplicaSet', 'web-7d4b9c'], state: 'starting' },
  { name: 'web-7d4b9c-tz8aa', node: 'worker-2', owner: ['ReplicaSet', 'web-7d4b9c'] },
  { name: 'api-5f6d-5fdss', node: 'worker-2', owner: ['ReplicaSet', 'api-5f6d'] },
  { name: 'db-1', node: 'worker-2', owner: ['StatefulSet', 'db'] },
  { name: 'web-7d4b9c-h5w22', node: 'worker-3', owner: ['ReplicaSet', 'web-7d4b9c'] },
  { name: 'api-5f6d-l0vab', node: 'worker-3', owner: ['ReplicaSet', 'api-5f6d'] },
  { name: 'db-2', node: 'worker-3', owner: ['StatefulSet', 'db'] },
  { name: 'report-29-aaaa', node: 'worker-3', owner: ['Job', 'report-29'], state: 'done' },
  { name: 'mail-9c8d-qq2xz', node: 'worker-3', owner: ['ReplicaSet', 'mail-9c8d'], state: 'crashing' },
  { name: 'big-66fd-2zzzz', owner: ['ReplicaSet', 'big-66fd'], state: 'unschedulable' },
];

function putWorkloads(host: FakeHost): void {
  const replicated = [
    ['web', 'web-7d4b9c', 5, 4],
    ['api', 'api-5f6d', 3, 3],
    ['mail', 'mail-9c8d', 1, 0],
    ['big', 'big-66fd', 1, 0],
  ] as const;
  const template = { spec: { containers: [{ name: 'main', image: 'nginx:1.29' }] } };
  for (const [name, set, replicas, readyReplicas] of replicated) {
    const [spec, status] = [{ replicas, selector: {}, template }, { readyReplicas }];
    const uid = `Deployment/${name}`;
    host.put('deployments', {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: 'default', uid },
      ...{ spec, status },
    });
    host.put(
      'replicasets',
      {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: {
          name: set,
          namespace: 'default',
          uid: `ReplicaSet/${set}`,
          ownerReferences: owner('Deployment', name),
        },
      },
      'system:serviceaccount:kube-system:deployment-controller',
      `create replicasets default/${set}`,
      String(host.revision),
    );
  }
  const stateful = { spec: { replicas: 3, template }, status: { readyReplicas: 3 } };
  host.put('statefulsets', {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace: 'default', uid: 'StatefulSet/db' },
    ...stateful,
  });
  const ports = { spec: { clusterIP: '10.96.14.7', type: 'ClusterIP', ports: [{ port: 80 }] } };
  host.put('services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    ...ports,
  });
}

function putEvent(
  host: FakeHost,
  kind: string,
  name: string,
  reason: string,
  message: string,
  agoMs: number,
  type = 'Normal',
): void {
  host.put(
    'events',
    {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${host.revision}`, namespace: 'default' },
      ...{
        involvedObject: { kind, name, namespace: 'default', uid: kind === 'Node' ? name : `pods/default/${name}` },
        reason,
        message,
        type,
        lastTimestamp: host.now(agoMs),
      },
    },
    'system:kube-scheduler',
    `create events default/${name}`,
  );
}

/** A running lab with one of everything. `copies` makes it large. */
export function putFakeLab(host: FakeHost, nowMs: number, copies = 0): void {
  host.setLab({
    ...{ name: 'harbor-1', driver: 'embedded', masters: 1, workers: 3, phase: 'running', steps: stepsUntil(5) },
    ...{
      server: 'https://127.0.0.1:6443',
      kubeconfig: '/home/jane/.drydock/labs/harbor-1/kubeconfig',
      runningSinceMs: nowMs - 1_380_000,
    },
  });
  host.revision = 1790;
  host.setTruth(machine('master-1', 'master', nowMs));
  host.setTruth(component('kube-apiserver', 'master-1', nowMs, { requestsPerSecond: 38, p99Ms: 2.1 }));
  host.setTruth(component('etcd', 'master-1', nowMs, { revision: 1842, watchers: 14, keys: 312 }));
  host.setTruth(component('kube-scheduler', 'master-1', nowMs, { queue: 1 }, 'leader'));
  host.setTruth(component('kube-controller-manager', 'master-1', nowMs, { queue: 0 }, 'leader'));
  nodes.forEach((name, index) => {
    host.setTruth(machine(name, 'worker', nowMs - 1_300_000));
    for (const agent of ['kubelet', 'kube-proxy'] as const) host.setTruth(component(agent, name, nowMs, {}));
    putNode(host, name, index, 'True', 1_200_000, 4000 + index * 2000);
  });
  putWorkloads(host);
  for (const facts of pods) {
    host.put(
      'pods',
      pod(host, facts),
      'system:serviceaccount:kube-system:replicaset-controller',
      `create pods default/${facts.name}`,
      '1790',
    );
    putEvent(
      host,
      'Pod',
      facts.name,
      'Scheduled',
      `Successfully assigned default/${facts.name} to ${facts.node ?? 'worker-1'}`,
      250_000,
    );
  }
  for (let copy = 0; copy < copies; copy++)
    host.put(
      'pods',
      pod(host, {
        name: `load-6d-${copy}`,
        node: nodes[copy % 3] ?? '',
        owner: ['ReplicaSet', copy % 3 ? 'web-7d4b9c' : 'api-5f6d'],
        state: copy % 17 ? 'ready' : 'starting',
      }),
    );
  putEvent(
    host,
    'Pod',
    'mail-9c8d-qq2xz',
    'BackOff',
    'Back-off restarting failed container main in pod mail-9c8d-qq2xz',
    12_000,
    'Warning',
  );
  putEvent(
    host,
    'Pod',
    'big-66fd-2zzzz',
    'FailedScheduling',
    '0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes are available',
    8_000,
    'Warning',
  );
}

/** worker-2 was killed 78 s ago, and the API server has known for 28 s. */
export function killWorker(host: FakeHost, nowMs: number): void {
  host.setTruth({ ...machine('worker-2', 'worker', nowMs - 78_000), state: 'killed' });
  for (const agent of ['kubelet', 'kube-proxy'] as const)
    host.setTruth({ ...component(agent, 'worker-2', nowMs - 78_000, {}), state: 'crashed' });
  putNode(host, 'worker-2', 1, 'Unknown', 28_000, 81_000);
  for (const facts of pods.filter((one) => one.node === 'worker-2')) {
    const before = pod(host, facts);
    const conditions = [{ type: 'Ready', status: 'False', lastTransitionTime: host.now(28_000) }];
    const deleting = facts.name === 'db-1' ? { deletionTimestamp: host.now(5000) } : {};
    const user = 'system:serviceaccount:kube-system:node-controller';
    host.put(
      'pods',
      { ...before, metadata: { ...before.metadata, ...deleting }, ...{ status: { ...before.status, conditions } } },
      user,
      `update pods/status default/${facts.name}`,
      '1830',
    );
  }
  putEvent(host, 'Node', 'worker-2', 'NodeNotReady', 'Node worker-2 status is now: NodeNotReady', 28_000);
}
