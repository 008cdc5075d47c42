import { describe, expect, it } from 'vitest';
import type { CoreV1Event } from '#api/gen/types';
import { decisions, timeline } from './timeline.view-model.ts';

const event = (uid: string, reason: string, message: string, second: number, type = 'Normal'): CoreV1Event => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { uid, name: uid },
  involvedObject: { kind: 'Pod', name: `pod-${uid}`, uid: `uid-${uid}` },
  reason,
  message,
  type,
  lastTimestamp: new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString(),
});

const events = [
  event('a', 'Scheduled', 'Successfully assigned default/pod-a to worker-1', 1),
  event('b', 'BackOff', 'Back-off restarting failed container', 3, 'Warning'),
  event('c', 'FailedScheduling', '0/3 nodes are available', 2, 'Warning'),
];

describe('timeline', () => {
  it('is newest first, and filtered by every word', () => {
    expect(timeline(events, '', false).map((row) => row.uid)).toEqual(['b', 'c', 'a']);
    expect(timeline(events, 'pod-a  assigned', false).map((row) => row.uid)).toEqual(['a']);
    expect(timeline(events, '', true).map((row) => row.uid)).toEqual(['b', 'c']);
  });

  it('tells what the scheduler decided', () => {
    expect(decisions(events).map((one) => [one.pod, one.placed, one.text])).toEqual([
      ['pod-c', false, '0/3 nodes are available'],
      ['pod-a', true, 'bound to worker-1'],
    ]);
  });
});
