import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { SinkLogger } from '#base/logger';
import { GuardProcess } from './fault-guard.ts';

/** Writes down who it is, what it is told, and that its input ended. */
const scribe = `
const { appendFileSync } = require('node:fs');
const say = (text) => appendFileSync(process.argv[1], text);
say('pid ' + process.pid + '\\n');
process.stdin.on('data', say).on('end', () => say('end\\n'));
`;
const rescue = (container: string) => ({ driver: 'docker', endpoint: '/run/d.sock', container, home: '/h' }) as const;

describe('GuardProcess', () => {
  let folder: string;
  let guard: GuardProcess;
  let warned: string[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'drydock-guard-'));
    warned = [];
    const logger = new SinkLogger(new SteppedClock(), ({ message }) => warned.push(message));
    guard = new GuardProcess({ command: [process.execPath, '-e', scribe, join(folder, 'told')], logger });
  });
  afterEach(async () => {
    guard.close();
    if (pids().length > 0) await told(/end\n$/);
    rmSync(folder, { recursive: true });
  });

  function read(): string {
    try {
      return readFileSync(join(folder, 'told'), 'utf8');
    } catch {
      // It has not started yet.
      return '';
    }
  }
  const told = (pattern: RegExp) => expect.poll(read, { timeout: 10_000, interval: 20 }).toMatch(pattern);
  const pids = (): readonly number[] => [...read().matchAll(/^pid (\d+)$/gm)].map(([, pid]) => Number(pid));
  const lines = (): readonly unknown[] =>
    read()
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as unknown);

  it('is one process, told what to undo and what not any more', async () => {
    const first = guard.watch(rescue('one'), 'unpause');
    guard.watch(rescue('two'), 'start');
    first.dispose();
    first.dispose();
    await told(/drop/);
    expect(lines()).toEqual([
      { keep: '1', rescue: rescue('one'), action: 'unpause' },
      { keep: '2', rescue: rescue('two'), action: 'start' },
      { drop: '1' },
    ]);
    expect(pids()).toHaveLength(1);
  });

  it('does not start before there is something to guard, and ends when it is let go', async () => {
    expect(pids()).toEqual([]);
    guard.watch(rescue('one'), 'start');
    await told(/keep/);
    guard.close();
    await told(/end\n$/);
  });

  it('is missed when somebody ends it, and the next one is told everything that still stands', async () => {
    guard.watch(rescue('one'), 'start');
    guard.watch(rescue('gone'), 'start').dispose();
    await told(/drop/);
    const [pid = 0] = pids();
    process.kill(pid, 'SIGKILL');
    await expect
      .poll(() => warned, { timeout: 10_000 })
      .toEqual(['the guard of faults ended: frozen nodes may stay so']);
    guard.watch(rescue('two'), 'unpause');
    await told(/pid .*\n.*"one".*\n.*"two"/);
    expect(pids()).toHaveLength(2);
  });

  it('that cannot be started is said, not thrown', async () => {
    guard = new GuardProcess({
      command: [join(folder, 'no-such-program')],
      logger: new SinkLogger(new SteppedClock(), ({ message }) => warned.push(message)),
    });
    guard.watch(rescue('one'), 'start').dispose();
    guard.watch(rescue('one'), 'start');
    await expect.poll(() => warned, { timeout: 10_000 }).toHaveLength(1);
  });
});
