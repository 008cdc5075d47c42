import { describe, expect, it } from 'vitest';
import { findCommand } from '#cli/commands';
import { decodeFault, readSeconds } from '#cli/faults';
import { parseCommandLine } from '#cli/options';
import type { FaultSpec } from '#contract/faults';
import { faultCommand } from '../../src-renderer/state/models/fault.view-model.ts';

const faults: readonly FaultSpec[] = [
  { kind: 'node', node: 'worker-1', action: 'restart' },
  { kind: 'process', node: 'worker-1', process: 'kube-proxy' },
  { kind: 'cut', from: 'worker-1', to: 'worker-2' },
  { kind: 'cut', from: 'api', to: 'worker-2', oneWay: true },
  { kind: 'shape', from: 'worker-1', latencyMs: 200 },
  { kind: 'shape', from: 'worker-1', to: 'worker-2', lossPercent: 2.5 },
  { kind: 'shape', from: 'worker-1', to: 'worker-2', latencyMs: 30, lossPercent: 1, rateKbit: 500 },
  { kind: 'dns', node: 'worker-1' },
  { kind: 'disk', node: 'worker-1', freePercent: 3 },
  { kind: 'memory', node: 'worker-1', bytes: 858_993_459 },
  { kind: 'cpu', node: 'worker-1', cores: 0.5 },
  { kind: 'pids', node: 'worker-1', count: 20_000 },
];

describe('commands that the app shows for a fault', () => {
  it.each(faults.map((spec) => [faultCommand('harbor', spec, 90), spec] as const))('%s', (command, spec) => {
    const found = findCommand(command.split(' ').slice(1));
    if (!found) throw new Error('no such command');
    const args = parseCommandLine(found.spec, found.rest);
    expect(decodeFault(args.positionals, args.flag('one-way'))).toEqual(spec);
    expect([args.text('name'), readSeconds(args.text('for') ?? '')]).toEqual(['harbor', 90]);
  });
});
