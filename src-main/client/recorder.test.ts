import { expect, test } from 'vitest';
import type { CoreV1Event } from '#api/gen/types';
import { ApiEventRecorder } from './recorder.ts';
import { events } from './resources.ts';
import { controllerFixture, node, pod } from './testing/fixtures.ts';

function recorderFixture() {
  const fixture = controllerFixture();
  const recorder = new ApiEventRecorder({ ...fixture.parts, component: 'kubelet', host: 'worker-1' });
  return { ...fixture, recorder };
}

test('writes the event kubectl describes, and counts repeats on it', async () => {
  const { server, recorder } = recorderFixture();
  const about = { ...pod('web-0'), metadata: { name: 'web-0', namespace: 'default', uid: 'u1', resourceVersion: '5' } };
  recorder.event(about, 'Normal', 'Pulled', 'there', undefined, 'spec.containers{main}');
  await server.step(3000);
  recorder.event(about, 'Normal', 'Pulled', 'there', undefined, 'spec.containers{main}');
  await server.settle();
  const written = server.all<CoreV1Event>(events);
  expect(written).toMatchObject([
    {
      involvedObject: { kind: 'Pod', name: 'web-0', uid: 'u1', fieldPath: 'spec.containers{main}' },
      reason: 'Pulled',
      message: 'there',
      source: { component: 'kubelet', host: 'worker-1' },
      reportingComponent: 'kubelet',
      firstTimestamp: '2026-01-01T00:00:00Z',
      lastTimestamp: '2026-01-01T00:00:03Z',
      count: 2,
      type: 'Normal',
    },
  ]);
  expect(server.requests[0]?.cause?.revision).toBe('5');
  expect(written[0]?.metadata.name).toMatch(/^web-0\.[0-9a-f]{16}$/);
});

test('names sort as the events of one instant were told, over all recorders of a process', async () => {
  const { server, parts, recorder } = recorderFixture();
  const other = new ApiEventRecorder({ ...parts, component: 'default-scheduler' });
  for (let i = 0; i < 20; i++) (i % 2 ? recorder : other).event(pod('a'), 'Normal', `Reason${i}`, `text ${i}`);
  await server.settle();
  const written = server.all<CoreV1Event>(events);
  const names = written.map((event) => event.metadata.name ?? '').sort();
  const inOrder = names.map((name) => written.find((event) => event.metadata.name === name)?.reason);
  expect(inOrder).toEqual(Array.from({ length: 20 }, (_, i) => `Reason${i}`));
});

test('events about nodes live in default; many similar ones are combined; floods are cut', async () => {
  const { server, recorder } = recorderFixture();
  for (let i = 0; i < 40; i++) recorder.event(node('n1'), 'Normal', 'Tick', `tick ${i}`);
  await server.settle();
  const written = server.all<CoreV1Event>(events);
  expect(written).toHaveLength(10);
  const combined = written.find((event) => event.message?.startsWith('(combined from similar events): '));
  expect(combined).toMatchObject({ count: 16, message: '(combined from similar events): tick 24' });
  expect(combined?.metadata.namespace).toBe('default');
});

test('when the server is away an event is tried again, then dropped, and later ones still come', async () => {
  const { server, recorder } = recorderFixture();
  server.available = false;
  recorder.event(pod('a'), 'Normal', 'Lost', 'x');
  await server.step(10_000);
  server.available = true;
  recorder.event(pod('a'), 'Normal', 'Kept', 'x');
  await server.settle();
  expect(server.all<CoreV1Event>(events).map((event) => event.reason)).toEqual(['Kept']);
});
