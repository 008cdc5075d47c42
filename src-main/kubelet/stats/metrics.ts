import type { Pod } from '#api/gen/types';
import type { Context } from '#base/context';
import { runningOf, type StatsProvider } from './stats-provider.ts';

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** `/metrics` of the kubelet: the series of upstream that there are figures for (names of release 1.36). */
export async function kubeletMetrics(
  context: Context,
  nodeName: string,
  pods: readonly Pod[],
  stats: StatsProvider,
): Promise<string> {
  const summaries = await stats.pods(context);
  const containers = summaries.flatMap(({ podRef, containers: its }) =>
    its.map(({ name, cpu, memory }) => ({
      labels: { container: name, namespace: podRef.namespace, pod: podRef.name },
      ...{ cpu, memory },
    })),
  );
  const count = (value: number): readonly Series[] => [{ labels: {}, value }];
  return [
    family('kubelet_node_name', 'gauge', "The node's name. The count is always 1.", [
      { labels: { node: nodeName }, value: 1 },
    ]),
    family('kubelet_running_pods', 'gauge', 'Pods that have a container that runs', count(summaries.length)),
    family('kubelet_running_containers', 'gauge', 'Containers by state', [
      { labels: { container_state: 'running' }, value: pods.flatMap(runningOf).length },
    ]),
    family('kubelet_desired_pods', 'gauge', 'Pods bound to this node', count(pods.length)),
    family(
      'container_cpu_usage_seconds_total',
      'counter',
      'CPU time used',
      containers.map(({ labels, cpu }) => ({ labels, value: cpu.usageCoreNanoSeconds / 1e9 })),
    ),
    family(
      'container_memory_working_set_bytes',
      'gauge',
      'Memory that is used and not given back under pressure',
      containers.map(({ labels, memory }) => ({ labels, value: memory.workingSetBytes })),
    ),
  ].join('');
}

function family(name: string, type: 'gauge' | 'counter', help: string, series: readonly Series[]): string {
  const lines = series.map(({ labels, value }) => {
    const text = Object.entries(labels).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
    return `${name}${text.length > 0 ? `{${text.join(',')}}` : ''} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}
