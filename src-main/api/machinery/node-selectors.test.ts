import { describe, expect, it } from 'vitest';
import { matchesNodeSelectorTerm } from './node-selectors.ts';

const node = { name: 'worker-1', labels: { zone: 'a', cores: '8' } };
const asks = (key: string, operator: string, ...values: string[]): boolean =>
  matchesNodeSelectorTerm({ matchExpressions: [{ key, operator, values }] }, node);

describe('matchesNodeSelectorTerm', () => {
  it('knows every operator', () => {
    expect([asks('zone', 'In', 'a', 'b'), asks('zone', 'In', 'b'), asks('none', 'In', 'a')]).toEqual([
      true,
      false,
      false,
    ]);
    expect([asks('zone', 'NotIn', 'b'), asks('zone', 'NotIn', 'a'), asks('none', 'NotIn', 'a')]).toEqual([
      true,
      false,
      true,
    ]);
    expect([asks('zone', 'Exists'), asks('none', 'Exists'), asks('none', 'DoesNotExist')]).toEqual([true, false, true]);
    expect([asks('cores', 'Gt', '7'), asks('cores', 'Gt', '8'), asks('cores', 'Lt', '9')]).toEqual([true, false, true]);
    expect([asks('zone', 'Gt', '1'), asks('none', 'Lt', '1')]).toEqual([false, false]);
  });

  it('matches nothing with an empty term', () => {
    expect(matchesNodeSelectorTerm({}, node)).toBe(false);
  });

  it('asks fields for the name only', () => {
    const field = (key: string): boolean =>
      matchesNodeSelectorTerm({ matchFields: [{ key, operator: 'In', values: ['worker-1'] }] }, node);
    expect([field('metadata.name'), field('metadata.uid')]).toEqual([true, false]);
  });
});
