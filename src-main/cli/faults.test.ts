import { describe, expect, it } from 'vitest';
import type { Fault } from '#contract/faults';
import { findCommand } from './commands.ts';
import { decodeFault, readSeconds, renderFaults } from './faults.ts';
import { parseCommandLine, renderHelp, UsageError } from './options.ts';

const decode = (line: string): unknown => {
  const words = line.split(' ').filter((word) => word !== '--one-way');
  return decodeFault(words, line.includes('--one-way'));
};

describe('drydock fault add', () => {
  it('reads what a person would guess', () => {
    expect(decode('cut worker-1 worker-2')).toEqual({ kind: 'cut', from: 'worker-1', to: 'worker-2' });
    expect(decode('cut api worker-1 --one-way')).toEqual({ kind: 'cut', from: 'api', to: 'worker-1', oneWay: true });
    expect(decode('latency worker-1 200ms')).toEqual({ kind: 'shape', from: 'worker-1', latencyMs: 200 });
    expect(decode('loss worker-1 worker-2 2.5%')).toEqual({
      ...{ kind: 'shape', from: 'worker-1', to: 'worker-2' },
      lossPercent: 2.5,
    });
    expect(decode('rate worker-1 1mbit')).toEqual({ kind: 'shape', from: 'worker-1', rateKbit: 1000 });
    expect(decode('pause worker-1')).toEqual({ kind: 'node', node: 'worker-1', action: 'pause' });
    expect(decode('process worker-1 kube-proxy')).toEqual({ kind: 'process', node: 'worker-1', process: 'kube-proxy' });
    expect(decode('disk worker-1')).toEqual({ kind: 'disk', node: 'worker-1', freePercent: 5 });
    expect(decode('memory worker-1 1Gi')).toEqual({ kind: 'memory', node: 'worker-1', bytes: 1024 ** 3 });
    expect(decode('pids worker-1 20')).toEqual({ kind: 'pids', node: 'worker-1', count: 20 });
  });

  it.each([
    ['explode worker-1', /unknown fault 'explode': expected cut, /],
    ['cut worker-1', /expected 'drydock fault add cut NODE NODE\|api'/],
    ['kill worker-1 worker-2', /expected 'drydock fault add kill NODE'/],
    ['pause worker-1 --one-way', /--one-way is for cut/],
    ['process worker-1 systemd', /expected kubelet, kube-proxy, containerd, network, not 'systemd'/],
    ['latency worker-1 200', /'200': expected a time such as 200ms/],
    ['loss worker-1 120%', /expected a share such as 10%/],
    ['rate worker-1 fast', /expected a rate such as 500kbit/],
    ['memory worker-1 -1Gi', /expected an amount such as 512Mi/],
    ['cpu worker-1 0', /expected a number of cores/],
  ])('refuses %s in one line', (line, says) => {
    expect(() => decode(line)).toThrow(UsageError);
    expect(() => decode(line)).toThrow(says);
  });

  it('is parsed with its flags, and help shows every kind', () => {
    const found = findCommand(['fault', 'add', 'cut', 'worker-1', 'api', '--for', '60s']);
    if (!found) throw new Error('no such command');
    const parsed = parseCommandLine(found.spec, found.rest);
    expect([parsed.positionals, parsed.text('for')]).toEqual([['cut', 'worker-1', 'api'], '60s']);
    expect(() => parseCommandLine(found.spec, ['cut'])).toThrow(/fault add needs NODE/);
    expect(renderHelp(found.spec)).toContain('latency NODE [NODE] TIME');
    expect(renderHelp(found.spec)).toContain('Usage: drydock fault add KIND NODE [NODE|AMOUNT...] [flags]');
  });

  it('reads how long', () => {
    expect(['60s', '5m', '1h', '45'].map(readSeconds)).toEqual([60, 300, 3600, 45]);
    expect(() => readSeconds('2d')).toThrow(UsageError);
    expect(() => readSeconds('25h')).toThrow(/from 1s to 24h/);
  });
});

describe('drydock fault list', () => {
  it('says how long each still lasts', () => {
    const fault = (id: string, state: Fault['state']): Fault => ({
      ...{ id, state, text: 'worker-1 is frozen', sinceMs: 0, expiresAtMs: 90_000 },
      spec: { kind: 'node', node: 'worker-1', action: 'pause' },
    });
    expect(renderFaults([fault('f-1', 'healed'), fault('f-2', 'active')], 30_000).split('\n')).toEqual([
      'ID    STATE    HEALS IN   FAULT',
      'f-1   healed   -          worker-1 is frozen',
      'f-2   active   60s        worker-1 is frozen',
    ]);
    expect(renderFaults([], 0)).toBe('Nothing is broken on purpose.');
  });
});
