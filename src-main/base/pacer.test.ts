import { describe, expect, it } from 'vitest';
import { Pacer } from './pacer.ts';

/** Keeps the thread busy for `ms` of real time. */
function work(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

/** Counts turns of the event loop until `done`. */
async function turnsUntil(done: Promise<unknown>): Promise<number> {
  let turns = 0;
  let ended = false;
  void done.then(() => (ended = true));
  while (!ended) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    turns++;
  }
  return turns;
}

describe('pacer', () => {
  it('lets short work go on without giving up the thread', async () => {
    const order: string[] = [];
    setImmediate(() => order.push('other'));
    const pacer = new Pacer(1000);
    for (let i = 0; i < 100; i++) await pacer.pace();
    order.push('done');
    expect(order).toEqual(['done']);
  });

  it('shares one turn among many loops', async () => {
    const loop = async (): Promise<void> => {
      const pacer = new Pacer(4);
      if (pacer.due) await pacer.pace();
      work(2);
    };
    // 20 loops of 2 ms each: none is long, together they are.
    const turns = await turnsUntil(Promise.all(Array.from({ length: 20 }, loop)));
    expect(turns).toBeGreaterThanOrEqual(8);
  });

  it('serves those that wait in the order they came', async () => {
    const order: number[] = [];
    const pacer = new Pacer(1);
    await pacer.pace();
    work(2);
    await Promise.all(
      [0, 1, 2, 3, 4].map(async (i) => {
        await pacer.pace();
        order.push(i);
        work(1);
      }),
    );
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  it('goes on after idle time without a wait', async () => {
    const pacer = new Pacer(1000);
    await pacer.pace();
    for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve));
    let waited = true;
    void pacer.pace().then(() => (waited = false));
    await Promise.resolve();
    await Promise.resolve();
    expect(waited).toBe(false);
  });
});
