import type { KubeObject } from '../machinery/object.ts';
import { findResource } from '../resources/table.ts';
import { expect, test } from 'vitest';
import { tableOf } from './table.ts';

const nowMs = Date.UTC(2026, 0, 1, 1);
const creationTimestamp = '2026-01-01T00:55:00Z';

function cells(group: string, plural: string, object: object): readonly unknown[] {
  const row = findResource(group, 'v1', plural);
  if (!row) throw new Error(`no ${plural}`);
  const full = {
    apiVersion: 'v1',
    kind: row.kind,
    metadata: { name: 'x', creationTimestamp },
    ...object,
  } as KubeObject;
  const table = tableOf(row, [full], {}, { nowMs, includeObject: 'Metadata', withColumns: true });
  expect(table.columnDefinitions).toHaveLength(table.rows[0]?.cells.length ?? -1);
  expect(table.rows[0]?.object).toMatchObject({ kind: 'PartialObjectMetadata', metadata: { name: 'x' } });
  return table.rows[0]?.cells ?? [];
}

test.each([
  [
    '',
    'services',
    {
      spec: {
        type: 'ClusterIP',
        clusterIPs: ['10.0.0.1'],
        ports: [{ port: 80, protocol: 'TCP' }],
        selector: { a: 'b' },
      },
    },
    ['x', 'ClusterIP', '10.0.0.1', '<none>', '80/TCP', '5m', 'a=b'],
  ],
  [
    '',
    'services',
    {
      spec: { type: 'LoadBalancer', clusterIPs: ['10.0.0.1'], ports: [{ port: 80, nodePort: 30080, protocol: 'TCP' }] },
    },
    ['x', 'LoadBalancer', '10.0.0.1', '<pending>', '80:30080/TCP', '5m', '<none>'],
  ],
  [
    '',
    'services',
    { spec: { type: 'ClusterIP', clusterIP: 'None', clusterIPs: ['None'] } },
    ['x', 'ClusterIP', 'None', '<none>', '<none>', '5m', '<none>'],
  ],
  [
    'apps',
    'deployments',
    {
      spec: {
        replicas: 3,
        selector: { matchLabels: { app: 'web' } },
        template: { spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
      status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2 },
    },
    ['x', '2/3', 3, 2, '5m', 'c', 'i', 'app=web'],
  ],
  [
    'batch',
    'jobs',
    {
      spec: { completions: 1, template: { spec: { containers: [] } } },
      status: {
        succeeded: 1,
        startTime: creationTimestamp,
        completionTime: '2026-01-01T00:55:07Z',
        conditions: [{ type: 'Complete', status: 'True' }],
      },
    },
    ['x', 'Complete', '1/1', '7s', '5m', '', '', '<none>'],
  ],
  [
    '',
    'nodes',
    {
      metadata: { name: 'x', creationTimestamp, labels: { 'node-role.kubernetes.io/control-plane': '' } },
      spec: { unschedulable: true },
      status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { kubeletVersion: 'v1.36.0' } },
    },
    [
      'x',
      'Ready,SchedulingDisabled',
      'control-plane',
      '5m',
      'v1.36.0',
      '<none>',
      '<none>',
      '<unknown>',
      '<unknown>',
      '<unknown>',
    ],
  ],
  [
    '',
    'endpoints',
    {
      subsets: [
        {
          addresses: [{ ip: '1.1.1.1' }, { ip: '1.1.1.2' }, { ip: '1.1.1.3' }, { ip: '1.1.1.4' }],
          ports: [{ port: 80 }],
        },
      ],
    },
    ['x', '1.1.1.1:80,1.1.1.2:80,1.1.1.3:80 + 1 more...', '5m'],
  ],
  [
    '',
    'events',
    {
      involvedObject: { kind: 'Pod', name: 'web' },
      reason: 'Pulled',
      type: 'Normal',
      message: 'ok\n',
      lastTimestamp: '2026-01-01T00:59:50Z',
      count: 3,
      source: { component: 'kubelet', host: 'n1' },
    },
    ['10s', 'Normal', 'Pulled', 'pod/web', '', 'kubelet, n1', 'ok', '<unknown>', '3', 'x'],
  ],
  ['', 'configmaps', { data: { a: '1' }, binaryData: { b: '' } }, ['x', 2, '5m']],
])('%s %s prints as kubectl shows it', (group, plural, object, expected) => {
  expect(cells(group, plural, object)).toEqual(expected);
});
