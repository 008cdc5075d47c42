import type { KubeList, KubeObject } from '#api/machinery/object';
import type { Node, Pod } from '#api/gen/types';
import { isStatus, StatusError } from '#api/machinery/status';
import { messageOf } from '#base/errors';
import type { Home } from '#cluster/home';
import { loadLabConfig } from '#cluster/lab-config';
import type { Lab, Truth } from '#contract/labs';
import type { ControlClient } from '#host/control-client';
import { etcdMembersOf, renderEtcdMembers, type EtcdMemberSummary } from './etcd-members.ts';
import { withHost } from './host-access.ts';
import { renderTable } from './output.ts';

export interface LabSummary {
  readonly name: string;
  readonly driver: string;
  readonly masters: number;
  readonly workers: number;
  readonly phase: string;
  readonly server: string | null;
  readonly error?: string;
}

/** Every lab of a home, asked of its host, or read from its files when none runs. */
export async function listLabs(home: Home): Promise<LabSummary[]> {
  const live = await withHost(home, (host) => host.call('labs.list', {}));
  return live ? live.map(summaryOf) : home.labNames().map((name) => storedSummary(home, name));
}

function summaryOf(lab: Lab): LabSummary {
  const { name, driver, masters, workers, phase, server, error } = lab;
  return { name, driver, masters, workers, phase, server: server ?? null, ...(error ? { error } : {}) };
}

function storedSummary(home: Home, name: string): LabSummary {
  const unknown = { name, driver: 'unknown', masters: 0, workers: 0, phase: 'damaged', server: null };
  try {
    const config = loadLabConfig(home.labFolder(name));
    if (!config) return { ...unknown, error: 'lab.json is missing' };
    return {
      name,
      driver: config.driver,
      masters: config.masters,
      workers: config.workers.length,
      phase: 'stopped',
      server: null,
    };
  } catch (error) {
    return { ...unknown, error: messageOf(error) };
  }
}

export function renderLabs(labs: readonly LabSummary[]): string {
  if (labs.length === 0) return "No labs. Create one with 'drydock up'.";
  return renderTable(
    ['NAME', 'STATUS', 'DRIVER', 'MASTERS', 'WORKERS', 'SERVER'],
    labs.map((lab) => [lab.name, lab.phase, lab.driver, String(lab.masters), String(lab.workers), lab.server ?? '-']),
  );
}

export interface NodeSummary {
  readonly name: string;
  /** As the API server believes: Ready, NotReady or Unknown, and SchedulingDisabled when cordoned. */
  readonly status: string;
  /** The truth about the machine. */
  readonly machine: string;
  readonly pods: number;
}

export interface ComponentSummary {
  readonly name: string;
  readonly machine: string;
  readonly state: string;
  readonly healthy: boolean;
}

export interface LabStatus extends LabSummary {
  readonly healthy: boolean;
  /** How to reach the store, as etcdctl takes it; null when the lab does not run. */
  readonly etcd: Lab['etcd'] | null;
  readonly etcdMembers: readonly EtcdMemberSummary[];
  readonly kubeconfig: string | null;
  /** Where a browser finds the UI, with a token that works once. */
  readonly uiUrl: string | null;
  readonly mastersHealth: readonly ComponentSummary[];
  readonly nodes: readonly NodeSummary[];
  readonly components: readonly ComponentSummary[];
}

/** Health of one lab. A lab that is not running has no nodes and no components. */
export async function labStatus(home: Home, name: string): Promise<LabStatus | undefined> {
  const live = await withHost(home, async (host) => {
    const lab = (await host.call('labs.list', {})).find((one) => one.name === name);
    return lab && (lab.phase === 'running' ? runningStatus(host, lab) : stoppedStatus(summaryOf(lab)));
  });
  if (live) return live;
  return home.labNames().includes(name) && !home.holder() ? stoppedStatus(storedSummary(home, name)) : undefined;
}

function stoppedStatus(summary: LabSummary): LabStatus {
  const nobody = { mastersHealth: [], nodes: [], components: [], etcdMembers: [] };
  return { ...summary, healthy: false, etcd: null, kubeconfig: null, uiUrl: null, ...nobody };
}

async function runningStatus(host: ControlClient, lab: Lab): Promise<LabStatus> {
  const truths = await readTruths(host, lab.name);
  const { uiUrl } = await host.call('host.info', {});
  const summaries = await nodeSummaries(host, lab.name, truths);
  const components = truths.flatMap((truth) => (truth.kind === 'component' ? [componentOf(truth)] : []));
  const masters = new Set(
    truths.flatMap((truth) => (truth.kind === 'machine' && truth.role === 'master' ? [truth.name] : [])),
  );
  return {
    ...summaryOf(lab),
    healthy: components.every((one) => one.healthy) && summaries.every((node) => node.status === 'Ready'),
    etcd: lab.etcd ?? null,
    etcdMembers: etcdMembersOf(truths),
    kubeconfig: lab.kubeconfig ?? null,
    uiUrl: uiUrl ?? null,
    mastersHealth: components.filter((one) => masters.has(one.machine)),
    nodes: summaries,
    components,
  };
}

/** What the API server believes of nodes beside what is true of their machines, which is all there is while none answers. */
async function nodeSummaries(host: ControlClient, lab: string, truths: readonly Truth[]): Promise<NodeSummary[]> {
  const machines = truths.flatMap((truth) => (truth.kind === 'machine' && truth.role === 'worker' ? [truth] : []));
  try {
    const [nodes, pods] = await Promise.all([
      readObjects<Node>(host, lab, '/api/v1/nodes'),
      readObjects<Pod>(host, lab, '/api/v1/pods'),
    ]);
    return nodes.map((node): NodeSummary => {
      const { name = '' } = node.metadata;
      const machine = machines.find((one) => one.name === name)?.state ?? 'unknown';
      const there = pods.filter((pod) => pod.spec.nodeName === name).length;
      return { name, status: nodeStatus(node), machine, pods: there };
    });
  } catch (error) {
    if (!isStatus(error, 'ServiceUnavailable')) throw error;
    return machines.map(({ name, state }) => ({ name, status: 'Unknown', machine: state, pods: 0 }));
  }
}

/** What is true of the lab's machines and components now. */
export async function readTruths(host: ControlClient, lab: string): Promise<Truth[]> {
  const truths: Truth[] = [];
  for await (const event of host.watch('components', { lab })) {
    if (event.type === 'ERROR') throw StatusError.fromWire(event.status.code, event.status);
    if (event.type === 'BOOKMARK') break;
    truths.push(event.object);
  }
  return truths;
}

/** As they are, or, when the store does not answer, as the API server last saw them. */
async function readObjects<T extends KubeObject>(
  host: ControlClient,
  lab: string,
  path: string,
): Promise<readonly T[]> {
  const request = { lab, method: 'GET', path } as const;
  let answer = await host.call('api.request', request);
  if (answer.status >= 500) answer = await host.call('api.request', { ...request, query: { resourceVersion: '0' } });
  if (answer.status >= 300) throw StatusError.fromWire(answer.status, answer.body);
  return (answer.body as KubeList<T>).items;
}

function componentOf(truth: Extract<Truth, { kind: 'component' }>): ComponentSummary {
  return { name: truth.component, machine: truth.machine, state: truth.state, healthy: truth.state === 'running' };
}

function nodeStatus(node: Node): string {
  const ready = node.status?.conditions?.find((condition) => condition.type === 'Ready')?.status;
  const word = ready === 'True' ? 'Ready' : ready === 'False' ? 'NotReady' : 'Unknown';
  return node.spec.unschedulable ? `${word},SchedulingDisabled` : word;
}

export function renderStatus(status: LabStatus): string {
  const head = `lab ${status.name}: ${status.phase}${status.phase === 'running' ? (status.healthy ? ', healthy' : ', degraded') : ''}`;
  if (status.phase !== 'running') return status.error ? `${head}\n${status.error}` : head;
  return [
    `${head}, ${status.server ?? ''}`,
    ...(status.uiUrl ? [`ui: ${status.uiUrl}`] : []),
    '',
    renderTable(
      ['NODE', 'STATUS', 'MACHINE', 'PODS'],
      status.nodes.map((node) => [node.name, node.status, node.machine, String(node.pods)]),
    ),
    '',
    renderTable(
      ['COMPONENT', 'MACHINE', 'STATE'],
      status.components.map((one) => [one.name, one.machine, one.state]),
    ),
    '',
    renderEtcdMembers(status.etcdMembers),
  ].join('\n');
}
