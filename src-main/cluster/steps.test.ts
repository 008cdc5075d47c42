import { describe, expect, it } from 'vitest';
import { RealClock } from '#base/clock';
import type { LabStep } from './lab-view.ts';
import { Steps } from './steps.ts';

describe('the steps of a start', () => {
  it('say from the first on which node they are about', async () => {
    const told: (readonly LabStep[])[] = [];
    const coming = ['Preparing', { text: 'Starting worker-1', node: 'worker-1' }] as const;
    const steps = new Steps(coming, new RealClock(), (now) => told.push(now));
    await steps.run('Preparing', async (report) => report({ text: 'Unpacking', fraction: 0.5 }));
    await expect(steps.run('Starting worker-1', () => Promise.reject(new Error('no disk')))).rejects.toThrow('no disk');
    expect(told.map((now) => now.map(({ node, state }) => [node, state]))).toEqual(
      [
        ['waiting', 'waiting'],
        ['running', 'waiting'],
        ['running', 'waiting'],
        ['done', 'waiting'],
        ['done', 'running'],
        ['done', 'failed'],
      ].map(([first, second]) => [
        [undefined, first],
        ['worker-1', second],
      ]),
    );
    expect(told[2]?.[0]).toEqual({ text: 'Preparing', state: 'running', detail: 'Unpacking', fraction: 0.5 });
    expect(told[3]?.[0]).not.toHaveProperty('fraction');
  });
});
