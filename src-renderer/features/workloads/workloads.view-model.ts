import type { CronJob, DaemonSet, Deployment, Job, Pod, Service, StatefulSet } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import type { ObjectName } from '../../state/workload-actions.ts';
import { podLook, restarts, type Tone } from '../../state/models/pod.view-model.ts';
import { epochOf } from '../../state/models/time.view-model.ts';

export interface WorkloadRow {
  readonly uid: string;
  readonly kind: string;
  /** As kubectl takes it: `deployment`. */
  readonly word: string;
  readonly target: ObjectName;
  readonly tone: Tone;
  /** `3 of 3 ready` */
  readonly status: string;
  /** Image, schedule or address: what tells it from others. */
  readonly what: string;
  /** Set when it can be scaled. */
  readonly replicas: number | undefined;
  readonly restartable: boolean;
  readonly createdMs: number | undefined;
}

export interface Workloads {
  readonly deployments: readonly Deployment[];
  readonly statefulSets: readonly StatefulSet[];
  readonly daemonSets: readonly DaemonSet[];
  readonly jobs: readonly Job[];
  readonly cronJobs: readonly CronJob[];
  readonly services: readonly Service[];
  readonly pods: readonly Pod[];
  /** Whether a node's machine does not run. */
  readonly isGone: (nodeName: string | undefined) => boolean;
}

type Facts = Pick<WorkloadRow, 'tone' | 'status' | 'what'> & Partial<Pick<WorkloadRow, 'replicas' | 'restartable'>>;

/** Everything a person deploys, in one list: those that need a look first, then by kind and name. */
export function workloadRows(all: Workloads, filter: string): readonly WorkloadRow[] {
  const apps = (resource: string) => ({ apiVersion: 'apps/v1', resource });
  const batch = (resource: string) => ({ apiVersion: 'batch/v1', resource });
  const rows = [
    ...all.deployments.map((one) =>
      row(one, 'Deployment', apps('deployments'), replicated(one.spec?.replicas, one.status?.readyReplicas, one)),
    ),
    ...all.statefulSets.map((one) =>
      row(one, 'StatefulSet', apps('statefulsets'), replicated(one.spec?.replicas, one.status?.readyReplicas, one)),
    ),
    ...all.daemonSets.map((one) => row(one, 'DaemonSet', apps('daemonsets'), daemonFacts(one))),
    ...all.jobs.map((one) => row(one, 'Job', batch('jobs'), jobFacts(one))),
    ...all.cronJobs.map((one) => row(one, 'CronJob', batch('cronjobs'), cronFacts(one))),
    ...all.services.map((one) => row(one, 'Service', { apiVersion: 'v1', resource: 'services' }, serviceFacts(one))),
    ...all.pods.map((one) => row(one, 'Pod', { apiVersion: 'v1', resource: 'pods' }, podFacts(one, all))),
  ];
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((one) => {
    const text = `${one.kind} ${one.target.namespace ?? ''}/${one.target.name} ${one.what} ${one.status}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function row(
  object: KubeObject,
  kind: string,
  at: { apiVersion: string; resource: string },
  facts: Facts,
): WorkloadRow {
  const { uid = '', name = '', namespace = '', creationTimestamp } = object.metadata;
  return {
    uid,
    kind,
    word: kind.toLowerCase(),
    target: { ...at, namespace, name },
    replicas: undefined,
    restartable: false,
    createdMs: epochOf(creationTimestamp),
    ...facts,
  };
}

function replicated(wanted = 1, ready = 0, object: Deployment | StatefulSet): Facts {
  const what = imagesOf(object.spec?.template?.spec?.containers);
  return { ...readiness(ready, wanted), what, replicas: wanted, restartable: true };
}

function daemonFacts(one: DaemonSet): Facts {
  const { desiredNumberScheduled = 0, numberReady = 0 } = one.status ?? {};
  return {
    ...readiness(numberReady, desiredNumberScheduled),
    what: imagesOf(one.spec?.template?.spec?.containers),
    restartable: true,
  };
}

function jobFacts(one: Job): Facts {
  const { succeeded = 0, failed = 0, active = 0 } = one.status ?? {};
  const what = imagesOf(one.spec?.template?.spec?.containers);
  const failedForGood = one.status?.conditions?.some(
    (condition) => condition.type === 'Failed' && condition.status === 'True',
  );
  const complete = one.status?.conditions?.some(
    (condition) => condition.type === 'Complete' && condition.status === 'True',
  );
  if (failedForGood) return { tone: 'bad', status: `failed ${failed} times`, what };
  return {
    tone: complete ? 'ok' : 'warn',
    status: complete ? 'complete' : `${active} active, ${succeeded} done`,
    what,
  };
}

function cronFacts(one: CronJob): Facts {
  const suspended = one.spec?.suspend === true;
  const active = one.status?.active?.length ?? 0;
  return {
    tone: suspended ? 'idle' : 'ok',
    status: suspended ? 'suspended' : `${active} active`,
    what: one.spec?.schedule ?? '',
  };
}

function podFacts(one: Pod, all: Workloads): Facts {
  const look = podLook(one, all.isGone(one.spec?.nodeName));
  const again = restarts(one);
  const where = one.spec?.nodeName ? `on ${one.spec.nodeName}` : 'no node yet';
  return { tone: look.tone, status: look.word, what: again > 0 ? `${where}, ${again} restarts` : where };
}

function serviceFacts(one: Service): Facts {
  const ports = (one.spec?.ports ?? []).map(
    (port) => `${port.port}${port.nodePort ? `:${port.nodePort}` : ''}/${port.protocol ?? 'TCP'}`,
  );
  return {
    tone: 'idle',
    status: one.spec?.type ?? 'ClusterIP',
    what: `${one.spec?.clusterIP ?? ''} ${ports.join(', ')}`.trim(),
  };
}

/** One Service, for the table of them. */
export interface ServiceRow {
  readonly uid: string;
  readonly target: ObjectName;
  readonly type: string;
  readonly clusterIP: string;
  /** Of the load balancer, or the name that an ExternalName stands for; `pending` while there is none yet. */
  readonly external: string;
  /** `80/TCP`, with the node port where there is one: `80:30080/TCP`. */
  readonly ports: readonly string[];
  /** Addresses on this machine that answer, one a port; none for what is only reachable inside. */
  readonly here: readonly string[];
  readonly createdMs: number | undefined;
}

export function serviceRows(services: readonly Service[], filter: string): readonly ServiceRow[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return services.map(serviceRow).filter((one) => {
    const text = `${one.target.namespace ?? ''}/${one.target.name} ${one.type} ${one.clusterIP} ${one.external} ${one.ports.join(' ')}`;
    return words.every((word) => text.toLowerCase().includes(word));
  });
}

function serviceRow(one: Service): ServiceRow {
  const { uid = '', name = '', namespace = '', creationTimestamp } = one.metadata;
  const { type = 'ClusterIP', clusterIP = '', ports = [] } = one.spec ?? {};
  return {
    uid,
    target: { apiVersion: 'v1', resource: 'services', namespace, name },
    type,
    clusterIP: type === 'ExternalName' ? '' : clusterIP,
    external: externalOf(one),
    ports: ports.map((port) => `${port.port}${port.nodePort ? `:${port.nodePort}` : ''}/${port.protocol ?? 'TCP'}`),
    here: hereOf(one),
    createdMs: epochOf(creationTimestamp),
  };
}

function externalOf({ spec, status }: Service): string {
  if (spec?.type === 'ExternalName') return spec.externalName ?? '';
  const addresses = (status?.loadBalancer?.ingress ?? []).map((one) => one.ip ?? one.hostname ?? '');
  const given = [...addresses, ...(spec?.externalIPs ?? [])].filter(Boolean);
  if (given.length > 0) return given.join(', ');
  return spec?.type === 'LoadBalancer' ? 'pending' : '';
}

/** Node ports, and those of load balancers, answer on this machine's loopback address. */
function hereOf({ spec }: Service): readonly string[] {
  if (spec?.type !== 'NodePort' && spec?.type !== 'LoadBalancer') return [];
  return (spec.ports ?? []).flatMap((port) => (port.nodePort ? [`127.0.0.1:${port.nodePort}`] : []));
}

function readiness(ready: number, wanted: number): Pick<Facts, 'tone' | 'status'> {
  const tone = ready >= wanted ? (wanted === 0 ? 'idle' : 'ok') : ready === 0 ? 'bad' : 'warn';
  return { tone, status: `${ready} of ${wanted} ready` };
}

function imagesOf(containers: readonly { readonly image?: string }[] | undefined): string {
  return (containers ?? []).map((one) => one.image ?? '').join(', ');
}
