import { expect, test } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { AsyncQueue } from '#base/async-queue';
import type { ContainerEvent, ContainerState } from '../cri.ts';
import { EventSource, type Listed } from './events.ts';

const sandbox = { name: 'web', uid: 'u', namespace: 'default', attempt: 0 };
const item = (id: string, state: ContainerState): Listed => ({ id, state, sandbox });

function setUp(...items: Listed[]) {
  const clock = new SteppedClock();
  const state: { items: Listed[]; lists: number; broken: boolean } = { items, lists: 0, broken: false };
  const hints = new AsyncQueue<unknown>();
  const source = new EventSource({
    clock,
    logger: silentLogger,
    list: async () => {
      state.lists++;
      if (state.broken) throw new Error('gone');
      return [...state.items];
    },
    hints: () => hints,
  });
  const { context, cancel } = Context.background().withCancel();
  const seen: string[] = [];
  const events = source.watch(context);
  const reading = (async () => {
    for await (const event of events) seen.push(nameOf(event));
  })();
  return { clock, state, hints, source, cancel, seen, reading };
}

function nameOf({ containerId, type }: ContainerEvent): string {
  return `${containerId} ${type.replace('CONTAINER_', '').replace('_EVENT', '')}`;
}

test('a relist each second tells what changed, step by step', async () => {
  const { clock, state, seen, cancel, reading } = setUp(item('old', 'CONTAINER_RUNNING'));
  await clock.step(0);
  expect([state.lists, seen]).toEqual([1, []]);
  state.items = [item('old', 'CONTAINER_EXITED'), item('new', 'CONTAINER_RUNNING'), item('brief', 'CONTAINER_EXITED')];
  await clock.step(1000);
  expect(seen.splice(0)).toEqual(['old STOPPED', 'new CREATED', 'new STARTED', 'brief CREATED', 'brief STOPPED']);
  state.items = [];
  await clock.step(1000);
  expect(seen.splice(0)).toEqual(['old DELETED', 'new STOPPED', 'new DELETED', 'brief DELETED']);
  await clock.step(1000);
  expect(seen).toEqual([]);
  cancel();
  await reading;
  const lists = state.lists;
  await clock.step(5000);
  expect([state.lists, clock.pendingTimers]).toEqual([lists, 0]);
});

test('a hint or a nudge makes the list come at once; a runtime that is gone is asked again', async () => {
  const { clock, state, hints, source, seen, cancel } = setUp();
  await clock.step(0);
  state.items = [item('a', 'CONTAINER_CREATED')];
  hints.push({});
  await clock.step(0);
  expect(seen.splice(0)).toEqual(['a CREATED']);
  state.items = [item('a', 'CONTAINER_RUNNING')];
  source.nudge();
  await clock.step(0);
  expect(seen.splice(0)).toEqual(['a STARTED']);
  state.broken = true;
  await clock.step(3000);
  state.broken = false;
  state.items = [];
  await clock.step(1000);
  expect(seen).toEqual(['a STOPPED', 'a DELETED']);
  cancel();
});
