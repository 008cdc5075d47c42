import { expect, test } from 'vitest';
import { ApiServerMetrics } from '../api-server-metrics.ts';
import { apiServerPage } from './api-server-page.ts';
import { formatMetrics } from './prometheus.ts';

test('counters, escaped labels and histograms in the text format', () => {
  const samples = [{ labels: { path: 'a"b\\c\n' }, value: 3 }];
  const histogram = { labels: { verb: 'GET' }, buckets: [1, 2, 4], sum: 1.5, count: 7 };
  expect(
    formatMetrics([
      { name: 'x_total', help: 'Things.', type: 'counter', samples },
      { name: 'y_seconds', help: 'Times.', type: 'histogram', bounds: [0.1, 1], samples: [histogram] },
    ]),
  ).toBe(
    [
      ...['# HELP x_total Things.', '# TYPE x_total counter', 'x_total{path="a\\"b\\\\c\\n"} 3'],
      ...['# HELP y_seconds Times.', '# TYPE y_seconds histogram'],
      ...['y_seconds_bucket{verb="GET",le="0.1"} 1', 'y_seconds_bucket{verb="GET",le="1"} 3'],
      ...[
        'y_seconds_bucket{verb="GET",le="+Inf"} 7',
        'y_seconds_sum{verb="GET"} 1.5',
        'y_seconds_count{verb="GET"} 7',
        '',
      ],
    ].join('\n'),
  );
});

test('the page names requests, watches and the store as kube-apiserver does', () => {
  const metrics = new ApiServerMetrics({ watchers: () => new Map([['deployments.apps', 2]]), openWatches: () => [] });
  metrics.started({ verb: 'create', group: '', version: 'v1', resource: 'pods', subresource: '' })(201);
  const page = apiServerPage(metrics, { revision: 42, dbSizeBytes: 1000, keys: 7 }, 'v1.36.0');
  expect(page).toContain(
    'apiserver_request_total{code="201",group="",kind="mutating",resource="pods",subresource="",verb="POST",version="v1"} 1\n',
  );
  expect(page).toContain('apiserver_longrunning_requests{verb="WATCH",group="apps",resource="deployments"} 2\n');
  expect(page).toContain('etcd_debugging_mvcc_current_revision 42\n');
  expect(page).toMatch(/^process_resident_memory_bytes \d+$/m);
});
