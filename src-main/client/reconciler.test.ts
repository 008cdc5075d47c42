import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SteppedClock, yieldToEventLoop } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { createReconciler } from './reconciler.ts';

function reconcilerOn(clock: SteppedClock, workers: number, sync: (context: Context, key: string) => Promise<void>) {
  return createReconciler({ name: 'test', workers, sync, clock, random: new SeededRandom(1), logger: silentLogger });
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await yieldToEventLoop();
}

test('the newest cause travels into the sync', async () => {
  const causes: (string | undefined)[] = [];
  const reconciler = reconcilerOn(new SteppedClock(), 1, async (context) => {
    causes.push(context.cause?.revision);
  });
  reconciler.enqueue('a', '10');
  reconciler.enqueue('a', '9');
  expect(reconciler.length).toBe(1);
  reconciler.start(Context.background());
  await settle();
  expect(causes).toEqual(['10']);
});

test('failures are retried after 5, 10, 20 ms and success forgets them', async () => {
  const clock = new SteppedClock(0);
  const times: number[] = [];
  const reconciler = reconcilerOn(clock, 1, async () => {
    times.push(clock.now());
    if (times.length < 4) throw new Error('not yet');
  });
  reconciler.start(Context.background());
  reconciler.enqueue('a', '3');
  await settle();
  await clock.step(1000, settle);
  expect(times).toEqual([0, 5, 15, 35]);
});

test('of two delayed adds the earlier counts; stop drops them', async () => {
  const clock = new SteppedClock(0);
  const times: number[] = [];
  const reconciler = reconcilerOn(clock, 1, async () => {
    times.push(clock.now());
  });
  reconciler.start(Context.background());
  reconciler.enqueueAfter('a', 500);
  reconciler.enqueueAfter('a', 100);
  reconciler.enqueueAfter('a', 900);
  await clock.step(2000, settle);
  expect(times).toEqual([100]);
  reconciler.enqueueAfter('a', 100);
  await reconciler.stop();
  expect(clock.pendingTimers).toBe(0);
});

test('whatever the order: a key is never in work twice, and every key is synced after its last enqueue', async () => {
  const actions = fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.boolean()), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(actions, fc.integer({ min: 1, max: 3 }), async (steps, workers) => {
      const running = new Set<string>();
      const wanted = new Map<string, number>();
      const done = new Map<string, number>();
      const reconciler = reconcilerOn(new SteppedClock(), workers, async (_context, key) => {
        expect(running.has(key)).toBe(false);
        expect(running.size).toBeLessThan(workers);
        running.add(key);
        const seen = wanted.get(key) ?? 0;
        await yieldToEventLoop();
        running.delete(key);
        done.set(key, seen);
      });
      reconciler.start(Context.background());
      for (const [number, pause] of steps) {
        wanted.set(String(number), (wanted.get(String(number)) ?? 0) + 1);
        reconciler.enqueue(String(number));
        if (pause) await yieldToEventLoop();
      }
      for (let turn = 0; turn < 60 && (reconciler.length > 0 || running.size > 0); turn++) await settle();
      await settle();
      expect(done).toEqual(wanted);
    }),
    { numRuns: 15 },
  );
});
