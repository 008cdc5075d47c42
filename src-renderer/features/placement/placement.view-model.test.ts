import { describe, expect, it } from 'vitest';
import type { ComponentTruth } from '#contract/labs';
import { componentCards, densityOf, leaseTicks, squarePx } from './placement.view-model.ts';

const component = (name: ComponentTruth['component'], rest: Partial<ComponentTruth> = {}): ComponentTruth => ({
  kind: 'component',
  id: `${name}/master-1`,
  component: name,
  machine: 'master-1',
  state: 'running',
  sinceMs: 0,
  metrics: {},
  ...rest,
});

describe('the placement map', () => {
  it('gives pods less room the more there are', () => {
    expect(densityOf(12, 5)).toBe('box');
    expect(densityOf(120, 40)).toBe('chip');
    expect(densityOf(150, 50)).toBe('heat');
    expect(densityOf(401, 134)).toBe('heat');
    expect([50, 300, 4000].map(squarePx)).toEqual([17, 12, 8]);
  });

  it('shows a master’s parts in the order a request meets them, with their numbers', () => {
    const all = [
      component('kubelet'),
      component('kube-scheduler', { state: 'crashed', metrics: { queue: 2 } }),
      component('kube-apiserver', { metrics: { p99Ms: 2.12, requestsPerSecond: 38 } }),
      component('etcd', { machine: 'master-2' }),
    ];
    expect(componentCards(all, 'master-1')).toEqual([
      {
        id: 'kube-apiserver/master-1',
        title: 'API server',
        tone: 'ok',
        state: 'running',
        facts: '38 req/s · p99 2.1 ms',
      },
      { id: 'kube-scheduler/master-1', title: 'Scheduler', tone: 'bad', state: 'crashed', facts: 'crashed' },
    ]);
  });

  it('names the members of an etcd, and says why nothing is written', () => {
    const member = (n: number, rest: Partial<ComponentTruth>): ComponentTruth =>
      component('etcd', { id: `etcd-${n}`, ...rest });
    const note = 'no quorum: 1 of 3 members answers, 2 must';
    const all = [member(1, { note }), member(2, { state: 'crashed' }), member(3, { state: 'crashed' })];
    const cards = componentCards(all, 'master-1').map(({ title, member, tone, facts }) => [title, member, tone, facts]);
    expect(cards).toEqual([
      ['etcd-1', 'etcd-1', 'bad', note],
      ['etcd-2', 'etcd-2', 'bad', 'crashed'],
      ['etcd-3', 'etcd-3', 'bad', 'crashed'],
    ]);
    expect(componentCards([component('etcd')], 'master-1')[0]).toMatchObject({ title: 'etcd', tone: 'ok' });
  });

  it('puts out a tick for each missed renewal', () => {
    expect([3000, 12_000, 49_000, 90_000, undefined].map(leaseTicks)).toEqual([5, 4, 1, 0, 0]);
  });
});
