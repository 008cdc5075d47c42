import type { KubeObject } from '#api/machinery/object';
import type { Fault } from '#contract/faults';
import type { Lab, MachineTruth } from '#contract/labs';
import type { FakeHost } from './fake-host.ts';

const gibibyte = 1024 ** 3;

/** Turns two workers of the fake lab into real ones, with images, and adds a Service of each type. */
export function makeMixed(host: FakeHost, nowMs: number): void {
  const sinceMs = nowMs - 1_300_000;
  const base = { kind: 'machine', role: 'worker', state: 'running', sinceMs } as const;
  const real: readonly MachineTruth[] = [
    {
      ...base,
      id: 'machine/worker-1',
      name: 'worker-1',
      driver: 'docker',
      address: '172.31.0.11',
      cpus: 2,
      memoryBytes: 2 * gibibyte,
    },
    {
      ...base,
      id: 'machine/worker-2',
      name: 'worker-2',
      driver: 'ssh',
      address: '10.0.0.7',
      cpus: 4,
      memoryBytes: 8 * gibibyte,
      target: 'jane@10.0.0.7',
    },
  ];
  for (const machine of real) {
    host.setTruth(machine);
    const node = host.find('nodes').find((one) => one.metadata.name === machine.name);
    if (node) host.put('nodes', withImages(node, machine), `system:node:${machine.name}`);
  }
  putServices(host);
}

function withImages(node: KubeObject, machine: MachineTruth): KubeObject {
  const { status } = node as KubeObject & { readonly status?: object };
  const memory = `${Math.round((machine.memoryBytes ?? 0) / 1024)}Ki`;
  const amounts = { cpu: String(machine.cpus ?? 1), memory, pods: '110' };
  const images = [
    { names: ['docker.io/library/nginx:1.29', 'docker.io/library/nginx@sha256:0b2c'], sizeBytes: 71_303_168 },
    { names: ['docker.io/library/python:3.13-slim'], sizeBytes: 46_137_344 },
    { names: ['docker.io/library/busybox:1.37'], sizeBytes: 2_202_009 },
    { names: ['registry.k8s.io/pause:3.10'], sizeBytes: 318_767 },
  ];
  const nodeInfo = { kubeletVersion: 'v1.36.0', containerRuntimeVersion: 'containerd://1.6.20' };
  return { ...node, ...{ status: { ...status, capacity: amounts, allocatable: amounts, images, nodeInfo } } };
}

function putServices(host: FakeHost): void {
  const put = (name: string, spec: object, status: object = {}): void =>
    host.put('services', {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      ...{ spec, status },
    });
  const port = { port: 80, targetPort: 8080, protocol: 'TCP' };
  put('api', { type: 'NodePort', clusterIP: '10.96.40.2', ports: [{ ...port, nodePort: 30080 }] });
  put(
    'shop',
    {
      type: 'LoadBalancer',
      clusterIP: '10.96.77.31',
      ports: [
        { ...port, nodePort: 31422 },
        { ...port, port: 443, nodePort: 32010 },
      ],
    },
    { loadBalancer: { ingress: [{ ip: '172.31.255.10' }] } },
  );
  put('mail', { type: 'LoadBalancer', clusterIP: '10.96.3.9', ports: [{ ...port, port: 25, nodePort: 31025 }] });
  put('db', { clusterIP: 'None', ports: [{ port: 5432 }] });
  put('legacy', { type: 'ExternalName', externalName: 'mail.example.com' });
}

/** A cut between two nodes, a slow link to the API server, and a node whose kubelet is held down. */
export function breakThings(host: FakeHost, nowMs: number): void {
  const fault = (id: string, spec: Fault['spec'], text: string, agoMs: number, forMs: number): Fault => ({
    ...{ id, spec, text, state: 'active' },
    ...{ sinceMs: nowMs - agoMs, expiresAtMs: nowMs - agoMs + forMs },
  });
  const faults = host.machines;
  faults.setFault(
    fault(
      'f-91',
      { kind: 'cut', from: 'worker-1', to: 'worker-2' },
      'no packet goes from worker-1 to worker-2 or back',
      18_000,
      120_000,
    ),
  );
  faults.setFault(
    fault(
      'f-92',
      { kind: 'cut', from: 'worker-2', to: 'api', oneWay: true },
      'no packet goes from worker-2 to the API server',
      9_000,
      600_000,
    ),
  );
  faults.setFault(
    fault(
      'f-93',
      { kind: 'process', node: 'worker-3', process: 'kube-proxy' },
      'kube-proxy of worker-3 is held down',
      4000,
      120_000,
    ),
  );
  faults.setFault({
    ...fault('f-90', { kind: 'disk', node: 'worker-1', freePercent: 3 }, 'healed', 400_000, 120_000),
    state: 'healed',
  });
}

/** Builds its image, then starts its nodes. */
export function buildingLab(progress: number): Lab {
  const worker = (index: number, text: string, fraction: number, detail: string) =>
    ({
      text,
      node: `worker-${index}`,
      state: fraction >= 1 ? 'done' : fraction > 0 ? 'running' : 'waiting',
      ...(fraction > 0 && fraction < 1 ? { detail } : {}),
    }) as const;
  return {
    ...{ name: 'harbor-1', driver: 'docker', masters: 1, workers: 3, phase: 'creating' },
    steps: [
      { text: 'Preparing certificates', state: 'done', elapsedMs: 140 },
      { text: 'Starting etcd and the API server', state: 'done', elapsedMs: 820 },
      {
        text: 'Building the node image',
        state: progress >= 1 ? 'done' : 'running',
        fraction: progress,
        detail: 'Unpacking packages',
        elapsedMs: progress * 48_000,
      },
      worker(1, 'Starting worker-1', progress, 'Joining'),
      worker(2, 'Starting worker-2', progress - 0.3, 'Starting containerd'),
      worker(3, 'Starting worker-3', progress - 0.8, 'Creating the container'),
    ],
  };
}
