import { describe, expect, it } from 'vitest';
import type { Fault, FaultSpec } from '#contract/faults';
import { faultChoices, linkSpec, type LinkDraft } from './fault-choices.view-model.ts';
import { cutFromApi, faultClock, faultCommand, faultTitle, linkMarks, nodeFaults } from './fault.view-model.ts';
import { nodeDraft, nodeKinds, nodeSpec } from './node-fault.view-model.ts';

const fault = (spec: FaultSpec, state: Fault['state'] = 'active', id = 'f-1'): Fault => ({
  ...{ id, spec, state, text: '', sinceMs: 1000, expiresAtMs: 61_000 },
});
const cut: FaultSpec = { kind: 'cut', from: 'worker-1', to: 'api' };
const draft: LinkDraft = {
  ...{ from: 'worker-1', to: 'worker-2', how: 'slow' },
  ...{ latencyMs: '200', lossPercent: '', rateKbit: '' },
};

describe('faults on the map', () => {
  it('draws cuts and slow links between two ends, and nothing that has healed', () => {
    const slow: FaultSpec = { kind: 'shape', from: 'worker-1', to: 'worker-2', latencyMs: 200, rateKbit: 1500 };
    const marks = linkMarks([fault(cut), fault(slow), fault(cut, 'healed'), fault({ kind: 'dns', node: 'worker-1' })]);
    expect(marks.map((mark) => [mark.from, mark.to, mark.look, mark.oneWay, mark.words])).toEqual([
      ['worker-1', 'api', 'cut', false, 'cut'],
      ['worker-1', 'worker-2', 'slow', true, '200 ms, 1.5 Mbit/s'],
    ]);
  });

  it('marks a node with what no line shows', () => {
    const all = [
      fault({ kind: 'process', node: 'worker-1', process: 'kubelet' }, 'active', 'a'),
      fault({ kind: 'shape', from: 'worker-1', latencyMs: 5 }, 'applying', 'b'),
      fault({ kind: 'shape', from: 'worker-1', to: 'worker-2', latencyMs: 5 }, 'active', 'c'),
      fault(cut, 'active', 'd'),
      fault({ kind: 'dns', node: 'worker-1' }, 'failed', 'e'),
    ];
    expect(nodeFaults(all, 'worker-1').map((one) => one.id)).toEqual(['a', 'b']);
  });

  it('knows whose words do not reach the API server', () => {
    const oneWay = (from: string, to: string): Fault => fault({ kind: 'cut', from, to, oneWay: true });
    expect(cutFromApi([fault(cut)], 'worker-1')).toBeDefined();
    expect(cutFromApi([fault({ kind: 'cut', from: 'api', to: 'worker-1' })], 'worker-1')).toBeDefined();
    expect(cutFromApi([oneWay('worker-1', 'api')], 'worker-1')).toBeDefined();
    expect(cutFromApi([oneWay('api', 'worker-1')], 'worker-1')).toBeUndefined();
    expect(cutFromApi([fault(cut)], 'worker-2')).toBeUndefined();
    expect(cutFromApi([fault(cut, 'applying')], 'worker-1')).toBeUndefined();
  });

  it('counts down to the heal', () => {
    expect(faultClock(fault(cut), 31_000)).toEqual({ text: '0:30', fraction: 0.5 });
    expect(faultClock(fault(cut, 'applying'), 31_000).text).toBe('applying');
    expect(faultClock(fault(cut), 99_000)).toEqual({ text: '0:00', fraction: 0 });
  });

  it('says the same as a command and as a title', () => {
    expect(faultCommand('lab', { ...cut, oneWay: true }, 60)).toBe(
      'drydock fault add cut worker-1 api --one-way --for 60s --name lab',
    );
    expect(faultTitle(cut)).toBe('worker-1 ⇹ API server cut');
    expect(faultTitle({ kind: 'memory', node: 'w', bytes: 512 * 1024 ** 2 })).toBe('w: memory pressed, 512 Mi');
  });
});

describe('what the dialogs ask for', () => {
  it('makes a fault of a link, or says what is wrong', () => {
    expect(linkSpec(draft)).toEqual({
      spec: { kind: 'shape', from: 'worker-1', to: 'worker-2', latencyMs: 200 },
    });
    expect(linkSpec({ ...draft, how: 'cut' })).toEqual({ spec: { kind: 'cut', from: 'worker-1', to: 'worker-2' } });
    expect(linkSpec({ ...draft, how: 'one-way' })).toMatchObject({ spec: { oneWay: true } });
    for (const bad of [{ to: 'worker-1' }, { latencyMs: '' }, { lossPercent: '101' }, { from: 'api' }])
      expect(linkSpec({ ...draft, ...bad })).toHaveProperty('problem');
  });

  it('offers amounts that fit the node', () => {
    const choices = faultChoices('worker-1', { cpus: 2, memoryBytes: 1024 ** 3 });
    expect(choices.find((one) => one.id === 'memory')?.spec).toMatchObject({ bytes: Math.round(0.8 * 1024 ** 3) });
    expect(new Set(choices.map((one) => one.id)).size).toBe(choices.length);
  });

  it('begins each kind of pressure with amounts that are right', () => {
    for (const { id } of nodeKinds) {
      const texts = Object.fromEntries(nodeDraft(id, undefined).map((field) => [field.id, field.value]));
      expect(nodeSpec('worker-1', id, texts)).toHaveProperty('spec.kind', id);
      expect(nodeSpec('worker-1', id, {})).toHaveProperty('problem');
    }
  });
});
