import { describe, expect, it } from 'vitest';
import type { Fault } from '#contract/faults';
import type { MachineTruth } from '#contract/labs';
import type { NodeHealth } from '../../state/models/node.view-model.ts';
import { believedWords, truthWords } from './truths.view-model.ts';

const health: NodeHealth = {
  ...{ state: 'believed', tone: 'warn', word: 'Ready?', cordoned: false, gone: false, doubt: undefined, sinceMs: 0 },
};
const machine = (state: MachineTruth['state'], note?: string): MachineTruth => ({
  ...{ kind: 'machine', id: 'machine/w', name: 'w', role: 'worker', driver: 'docker', address: '', state, sinceMs: 0 },
  ...(note === undefined ? {} : { note }),
});
const truth = (of: MachineTruth, rest: { doubt?: NodeHealth['doubt']; faults?: readonly Fault[] } = {}): string =>
  truthWords({ machine: of, health: { ...health, doubt: rest.doubt }, faults: rest.faults ?? [], nowMs: 20_000 });

describe('two truths', () => {
  it('tells a frozen machine from a lost one and from one that is off', () => {
    expect(truth(machine('killed'))).toBe('killed 20 s ago, nothing runs');
    expect(truth(machine('paused'))).toContain('frozen');
    expect(truth(machine('unreachable', 'connecting again in 4 s'))).toBe(
      'unreachable for 20 s: its pods may run on; connecting again in 4 s',
    );
  });

  it('says that a node runs on behind a cut, or without its kubelet', () => {
    expect(truth(machine('running'), { doubt: 'cut' })).toContain('run on; the link to the API server is cut');
    const held: Fault = {
      ...{ id: 'f-1', state: 'active', text: '', sinceMs: 0, expiresAtMs: 1 },
      spec: { kind: 'process', node: 'w', process: 'kubelet' },
    };
    expect(truth(machine('running'), { faults: [held] })).toContain('the kubelet is held down');
  });

  it('says what the API server believes', () => {
    expect(believedWords(health, [], 0)).toBe('node Ready, 0 pods Running, 0 Ready');
    expect(believedWords({ ...health, state: 'not-ready' }, [], 30_000)).toContain('NotReady for 30 s');
  });
});
