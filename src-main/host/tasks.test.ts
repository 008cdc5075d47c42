import { describe, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Tasks } from './tasks.ts';

const loading = { kind: 'image-load', subject: 'nginx:1.29' } as const;

describe('the tasks of a host', () => {
  it('tells the steps of a task while it runs, and only to its lab', async () => {
    const tasks = new Tasks(new SteppedClock(1000));
    const seen: unknown[] = [];
    tasks.onChange(() => seen.push(tasks.list('lab').map((task) => [task.state, task.steps.length])));
    const result = await tasks.run('lab', loading, async (onSteps) => {
      onSteps([{ text: 'Loading', state: 'running', node: 'worker-1', fraction: 0.5 }]);
      return 7;
    });
    expect(result).toBe(7);
    expect(seen).toEqual([[['running', 0]], [['running', 1]], [['done', 1]]]);
    expect(tasks.list('other')).toEqual([]);
    expect(tasks.list('lab')[0]).not.toHaveProperty('lab');
  });

  it('keeps why one failed, and passes it on', async () => {
    const tasks = new Tasks(new SteppedClock());
    const work = tasks.run('lab', loading, () => Promise.reject(new Error('there is no image nginx:1.29')));
    await expect(work).rejects.toThrow('there is no image');
    expect(tasks.list('lab')[0]).toMatchObject({ state: 'failed', error: 'there is no image nginx:1.29' });
  });

  it('forgets old ones, never a running one', async () => {
    const tasks = new Tasks(new SteppedClock());
    let finish = (): void => {};
    const long = tasks.run('lab', loading, () => new Promise<void>((resolve) => (finish = resolve)));
    for (let i = 0; i < 30; i++) await tasks.run('lab', loading, async () => undefined);
    expect(tasks.list('lab').filter((task) => task.state === 'done')).toHaveLength(20);
    expect(tasks.list('lab')[0]).toMatchObject({ id: 't-1', state: 'running' });
    finish();
    await long;
  });
});
