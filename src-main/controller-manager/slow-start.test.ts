import { expect, test } from 'vitest';
import { yieldToEventLoop } from '#base/clock';
import { slowStartBatch } from './slow-start.ts';

test('batches double, and all calls of a batch run at once', async () => {
  let waiting: (() => void)[] = [];
  const sizes: number[] = [];
  const result = slowStartBatch(20, () => new Promise((resolve) => waiting.push(resolve)));
  for (let made = 0; made < 20; made += sizes.at(-1) ?? 0) {
    await yieldToEventLoop();
    sizes.push(waiting.length);
    const batch = waiting;
    waiting = [];
    for (const finish of batch) finish();
  }
  expect(await result).toEqual({ succeeded: 20, error: undefined });
  expect(sizes).toEqual([1, 2, 4, 8, 5]);
});

test('a batch with a failure is the last one', async () => {
  const calls: number[] = [];
  const failure = new Error('quota');
  const result = await slowStartBatch(100, async (index) => {
    calls.push(index);
    if (index === 4) throw failure;
  });
  expect(calls).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(result).toEqual({ succeeded: 6, error: failure });
});

test('nothing to do is done', async () => {
  expect(await slowStartBatch(0, () => Promise.reject(new Error('called')))).toEqual({
    succeeded: 0,
    error: undefined,
  });
});
