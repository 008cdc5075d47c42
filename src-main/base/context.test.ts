import { expect, test } from 'vitest';
import { SteppedClock } from './clock.ts';
import { Context } from './context.ts';
import { CancelledError } from './errors.ts';

test('a child ends with its parent, and says by what', async () => {
  const clock = new SteppedClock();
  const { context: parent } = Context.background().withTimeout(clock, 1_000);
  const { context: child, cancel } = parent.withCancel();
  let heard = 0;
  child.onEnd(() => heard++);
  await clock.step(1_000);
  cancel();
  expect([child.endedBy, parent.endedBy, heard]).toEqual(['deadline', 'deadline', 1]);
  expect(() => child.check()).toThrow(CancelledError);
});

test('the signal aborts with the context, whether it was asked for before or after', () => {
  const { context, cancel } = Context.background().withCancel();
  const early = context.signal;
  expect(early.aborted).toBe(false);
  cancel();
  expect(early.aborted).toBe(true);
  expect(context.signal).toBe(early);
  const late = context.withCause(undefined).signal;
  expect(late.aborted).toBe(true);
  expect(late.reason).toBeInstanceOf(CancelledError);
});

test('a cancelled child lets go of its parent; the parent lives on', () => {
  const { context: parent, cancel } = Context.background().withCancel();
  const child = parent.withCancel();
  child.cancel();
  expect(parent.ended).toBe(false);
  cancel();
  expect(child.context.endedBy).toBe('cancelled');
});
