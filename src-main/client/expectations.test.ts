import { expect, test } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Expectations } from './expectations.ts';

test('satisfied when everything expected was seen, each deletion once', () => {
  const expectations = new Expectations(new SteppedClock());
  expectations.expectCreations('a', 2);
  expectations.creationObserved('a');
  expect(expectations.satisfied('a')).toBe(false);
  expectations.creationObserved('a');
  expect(expectations.satisfied('a')).toBe(true);
  expectations.expectDeletions('a', ['p', 'q']);
  expectations.deletionObserved('a', 'p');
  expectations.deletionObserved('a', 'p');
  expect(expectations.satisfied('a')).toBe(false);
  expectations.deletionObserved('a', 'q');
  expect(expectations.satisfied('a')).toBe(true);
});

test('waiting ends after five minutes', async () => {
  const clock = new SteppedClock();
  const expectations = new Expectations(clock);
  expectations.expectCreations('a', 1);
  await clock.step(300_000);
  expect(expectations.satisfied('a')).toBe(false);
  await clock.step(1);
  expect(expectations.satisfied('a')).toBe(true);
});
