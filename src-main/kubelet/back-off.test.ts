import { describe, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { KeyedBackOff } from './back-off.ts';

describe('KeyedBackOff', () => {
  it('lets the first failure pass, then doubles up to the longest delay', async () => {
    const clock = new SteppedClock();
    const backOff = new KeyedBackOff(clock, 10_000, 60_000);
    expect(backOff.remaining('a', clock.now())).toBe(0);
    const delays: number[] = [];
    for (let failure = 0; failure < 5; failure++) {
      backOff.next('a', clock.now());
      delays.push(backOff.delay('a'));
      await clock.step(backOff.delay('a'));
    }
    expect(delays).toEqual([10_000, 20_000, 40_000, 60_000, 60_000]);
  });

  it('counts from the failure, not from now', async () => {
    const clock = new SteppedClock();
    const backOff = new KeyedBackOff(clock, 10_000, 60_000);
    backOff.next('a', clock.now());
    const failedMs = clock.now();
    await clock.step(4_000);
    expect(backOff.remaining('a', failedMs)).toBe(6_000);
    await clock.step(6_000);
    expect(backOff.remaining('a', failedMs)).toBe(0);
  });

  it('forgets after twice the longest delay without a failure', async () => {
    const clock = new SteppedClock();
    const backOff = new KeyedBackOff(clock, 10_000, 60_000);
    backOff.next('a', clock.now());
    backOff.next('a', clock.now());
    await clock.step(120_001);
    backOff.next('a', clock.now());
    expect(backOff.delay('a')).toBe(10_000);
  });
});
