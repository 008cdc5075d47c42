import { expect, test } from 'vitest';
import { node } from '#client/testing/fixtures';
import { desiredTaints } from './node-taints.ts';

test.each([
  ['MemoryPressure', 'node.kubernetes.io/memory-pressure'],
  ['DiskPressure', 'node.kubernetes.io/disk-pressure'],
  ['PIDPressure', 'node.kubernetes.io/pid-pressure'],
  ['NetworkUnavailable', 'node.kubernetes.io/network-unavailable'],
])('%s taints the node for as long as it lasts, and no other taint goes', (type, key) => {
  const own = { key: 'dedicated', value: 'db', effect: 'NoSchedule' };
  const ready = { type: 'Ready', status: 'True' };
  const pressed = node('w1', { spec: { taints: [own] }, status: { conditions: [ready, { type, status: 'True' }] } });
  const tainted = desiredTaints(pressed, undefined, 0);
  expect(tainted).toEqual([own, { key, effect: 'NoSchedule', timeAdded: '1970-01-01T00:00:00Z' }]);
  const relieved = {
    ...pressed,
    spec: { taints: tainted },
    status: { conditions: [ready, { type, status: 'False' }] },
  };
  expect(desiredTaints(relieved, undefined, 0)).toEqual([own]);
});
