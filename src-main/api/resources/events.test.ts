import type { EventsV1Event } from '#api/gen/types';
import { expect, test } from 'vitest';
import { toCoreEvent, toEventsV1 } from './events.ts';

test('an event reads the same through both APIs', () => {
  const event: EventsV1Event = {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    metadata: { name: 'e', namespace: 'default' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    note: 'Pulled image',
    reason: 'Pulled',
    regarding: { kind: 'Pod', name: 'web', namespace: 'default' },
    reportingController: 'kubelet',
    reportingInstance: 'n1',
    deprecatedCount: 2,
    type: 'Normal',
  };
  const core = toCoreEvent(event);
  expect(core).toMatchObject({
    apiVersion: 'v1',
    message: 'Pulled image',
    involvedObject: { kind: 'Pod', name: 'web' },
    reportingComponent: 'kubelet',
    count: 2,
  });
  expect(core).not.toHaveProperty('note');
  expect(toEventsV1(core)).toEqual(event);
});
