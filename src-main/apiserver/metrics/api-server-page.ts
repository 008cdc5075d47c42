import type { RequestSeries } from '../api-server-metrics.ts';
import { latencyBounds } from '../api-server-metrics.ts';
import { formatMetrics, type Labels, type MetricFamily } from './prometheus.ts';

/** What `/metrics` reads when it is asked. */
export interface MetricsSource {
  readonly requests: readonly RequestSeries[];
  readonly inFlight: number;
  /** Open watches by resource (`pods`, `deployments.apps`). */
  readonly watchers: ReadonlyMap<string, number>;
}

export interface StoreSource {
  readonly revision: number;
  readonly dbSizeBytes: number;
  readonly keys: number;
}

/** The page of `/metrics`: kube-apiserver's own names (release 1.36) for what Drydock counts, and the process's. */
export function apiServerPage(source: MetricsSource, store: StoreSource | undefined, gitVersion: string): string {
  return formatMetrics([
    ...requestFamilies(source),
    ...storeFamilies(store),
    ...processFamilies(),
    buildFamily(gitVersion),
  ]);
}

const mutating = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

function requestFamilies({ requests, inFlight, watchers }: MetricsSource): readonly MetricFamily[] {
  const longRunning = [...watchers].map(([name, value]) => {
    const [resource = '', ...group] = name.split('.');
    return { labels: { verb: 'WATCH', group: group.join('.'), resource }, value };
  });
  return [
    {
      ...{ name: 'apiserver_request_total', type: 'counter' },
      help: 'Counter of apiserver requests broken out for each verb, group, version, resource, subresource and HTTP response code.',
      samples: requests.flatMap((series) =>
        [...series.codes].map(([code, value]) => ({ labels: { code: String(code), ...labelsOf(series) }, value })),
      ),
    },
    {
      ...{ name: 'apiserver_request_duration_seconds', type: 'histogram', bounds: latencyBounds },
      help: 'Response latency distribution in seconds for each verb, group, version, resource and subresource.',
      samples: requests
        .filter(({ verb }) => verb !== 'watch')
        .map((series) => ({
          labels: labelsOf(series),
          buckets: series.buckets,
          sum: series.sumSeconds,
          count: series.count,
        })),
    },
    gauge(
      'apiserver_current_inflight_requests',
      'Requests being answered, long running ones left out.',
      { request_kind: 'all' },
      inFlight,
    ),
    {
      ...{ name: 'apiserver_longrunning_requests', type: 'gauge', help: 'Open watches by group and resource.' },
      samples: longRunning,
    },
  ];
}

function labelsOf({ verb, group, version, resource, subresource }: RequestSeries): Labels {
  const upper = verb === 'create' ? 'POST' : verb === 'update' ? 'PUT' : verb.toUpperCase();
  return { group, kind: mutating.has(verb) ? 'mutating' : 'readonly', resource, subresource, verb: upper, version };
}

function storeFamilies(store: StoreSource | undefined): readonly MetricFamily[] {
  if (!store) return [];
  return [
    gauge('etcd_debugging_mvcc_current_revision', "The store's revision.", {}, store.revision),
    gauge('etcd_debugging_mvcc_keys_total', 'Live keys in the store.', {}, store.keys),
    gauge(
      'apiserver_storage_size_bytes',
      "Size of the store's data file in bytes.",
      { storage_cluster_id: 'etcd-0' },
      store.dbSizeBytes,
    ),
  ];
}

function processFamilies(): readonly MetricFamily[] {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return [
    counter('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.', (user + system) / 1e6),
    gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', {}, rss),
    gauge('nodejs_heap_size_used_bytes', 'Heap in use in bytes.', {}, heapUsed),
  ];
}

function buildFamily(gitVersion: string): MetricFamily {
  return gauge(
    'kubernetes_build_info',
    'The version of the server.',
    { git_version: gitVersion, major: '1', minor: '36' },
    1,
  );
}

function gauge(name: string, help: string, labels: Labels, value: number): MetricFamily {
  return { name, help, type: 'gauge', samples: [{ labels, value }] };
}

function counter(name: string, help: string, value: number): MetricFamily {
  return { name, help, type: 'counter', samples: [{ labels: {}, value }] };
}
