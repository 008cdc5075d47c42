import { expect, test } from 'vitest';
import { LifeClock, SteppedClock } from './clock.ts';
import { Context } from './context.ts';

test('timers of a life end with it, those of others go on', async () => {
  const clock = new SteppedClock();
  const { context, cancel } = Context.background().withCancel();
  const life = new LifeClock(clock, context);
  const fired: string[] = [];
  life.setTimer(10, () => fired.push('early'));
  life.setTimer(30, () => fired.push('late'));
  clock.setTimer(30, () => fired.push('other'));
  await clock.step(20);
  expect(life.now()).toBe(clock.now());
  cancel();
  life.setTimer(5, () => fired.push('after the end'));
  expect(clock.pendingTimers).toBe(1);
  await clock.step(20);
  expect(fired).toEqual(['early', 'other']);
});

test('a disposed timer is forgotten', async () => {
  const clock = new SteppedClock();
  const life = new LifeClock(clock, Context.background());
  let fired = 0;
  life.setTimer(10, () => fired++).dispose();
  expect(clock.pendingTimers).toBe(0);
  await clock.step(20);
  expect(fired).toBe(0);
});
