import type { Pod } from '#api/gen/types';
import { expect, test } from 'vitest';
import { podColumns, summarizePod } from './pod.ts';

const nowMs = Date.UTC(2026, 0, 1, 1);
function pod(status: unknown, spec: object = {}, metadata: object = {}): Pod {
  const containers = [{ name: 'a' }, { name: 'b' }];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', ...metadata },
    spec: { containers, ...spec },
    status,
  } as Pod;
}
const running = (name: string, more: object = {}) => ({
  name,
  ready: true,
  restartCount: 0,
  state: { running: {} },
  ...more,
});
const ended = (name: string, exitCode: number, reason?: string) => ({
  name,
  ready: false,
  restartCount: 0,
  state: { terminated: { exitCode, reason } },
});
const waiting = (name: string, reason: string, restartCount = 0, lastState: object = {}) => ({
  name,
  ready: false,
  restartCount,
  state: { waiting: { reason } },
  lastState,
});
const cells = (one: Pod) => podColumns.slice(1, 4).map((column) => column.cell(one, { nowMs }));

test.each([
  ['running', pod({ phase: 'Running', containerStatuses: [running('a'), running('b')] }), ['2/2', 'Running', '0']],
  ['pending', pod({ phase: 'Pending' }), ['0/2', 'Pending', '0']],
  [
    'crash loop',
    pod({
      phase: 'Running',
      containerStatuses: [
        waiting('a', 'CrashLoopBackOff', 2, { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:55:00Z' } }),
        running('b'),
      ],
    }),
    ['1/2', 'CrashLoopBackOff', '2 (5m ago)'],
  ],
  [
    'completed',
    pod({ phase: 'Succeeded', containerStatuses: [ended('a', 0, 'Completed'), ended('b', 0, 'Completed')] }),
    ['0/2', 'Completed', '0'],
  ],
  [
    'one of two done',
    pod({ phase: 'Running', containerStatuses: [ended('a', 0, 'Completed'), running('b')] }),
    ['1/2', 'NotReady', '0'],
  ],
  ['exit code', pod({ phase: 'Failed', containerStatuses: [ended('a', 3)] }), ['0/2', 'ExitCode:3', '0']],
  [
    'init',
    pod(
      { phase: 'Pending', initContainerStatuses: [waiting('i', 'PodInitializing')] },
      { initContainers: [{ name: 'i' }, { name: 'j' }] },
    ),
    ['0/2', 'Init:0/2', '0'],
  ],
  [
    'failed init',
    pod({ phase: 'Pending', initContainerStatuses: [ended('i', 1, 'Error')] }, { initContainers: [{ name: 'i' }] }),
    ['0/2', 'Init:Error', '0'],
  ],
  ['evicted', pod({ phase: 'Failed', reason: 'Evicted' }), ['0/2', 'Evicted', '0']],
  [
    'terminating',
    pod(
      { phase: 'Running', containerStatuses: [running('a'), running('b')] },
      {},
      { deletionTimestamp: '2026-01-01T00:00:00Z' },
    ),
    ['2/2', 'Terminating', '0'],
  ],
])('%s', (_name, one, expected) => {
  expect(cells(one)).toEqual(expected);
});

test('sidecars count as containers', () => {
  const one = pod(
    {
      phase: 'Running',
      initContainerStatuses: [running('s', { started: true, restartCount: 1 })],
      containerStatuses: [running('a'), running('b')],
    },
    { initContainers: [{ name: 's', restartPolicy: 'Always' }] },
  );
  expect(summarizePod(one)).toMatchObject({ ready: 3, total: 3, status: 'Running', restarts: 1 });
});
