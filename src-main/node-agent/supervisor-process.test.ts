import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SteppedClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { watchHolds } from './supervisor-holds.ts';
import { SupervisedProcess } from './supervisor-process.ts';

let folder: string;
let clock: SteppedClock;
let supervised: SupervisedProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-supervisor-'));
  clock = new SteppedClock();
});
afterEach(async () => {
  await supervised?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function supervise(script: string): SupervisedProcess {
  supervised = new SupervisedProcess({
    name: 'program',
    command: ['sh', '-c', script],
    ...{ clock, random: new SeededRandom(1), logger: silentLogger, logFolder: folder, onChange: () => undefined },
  });
  supervised.start();
  return supervised;
}

function log(): string {
  return readFileSync(join(folder, 'program.log'), 'utf8');
}

const sleeper = 'echo up; exec sleep 1000';

test('a program that ends is started again after a delay that grows', async () => {
  const program = supervise('echo run; exit 3');
  await expect.poll(() => program.report).toMatchObject({ state: 'waiting', lastExit: 'code 3', restarts: 1 });
  await clock.step(150);
  expect(log()).toBe('run\n');
  await clock.step(100);
  await expect.poll(() => program.report.restarts).toBe(2);
  expect(log()).toBe('run\nrun\n');
  // The second delay is at least twice the first.
  await clock.step(350);
  expect(program.report).toMatchObject({ state: 'waiting', restarts: 2 });
  await clock.step(150);
  await expect.poll(() => program.report.restarts).toBe(3);
});

test('a program that ran well is started again at once', async () => {
  const program = supervise(sleeper);
  await expect.poll(log).toBe('up\n');
  await clock.step(11_000);
  process.kill(program.report.pid ?? 0, 'SIGKILL');
  await expect.poll(() => program.report.lastExit).toBe('signal SIGKILL');
  await clock.step(0);
  await expect.poll(log).toBe('up\nup\n');
});

test('a program that the bundle does not know is given up and reported', async () => {
  const program = supervise('exit 2');
  await expect.poll(() => program.report).toMatchObject({ state: 'failed', lastExit: 'code 2', restarts: 0 });
  await clock.step(60_000);
  expect(program.report.state).toBe('failed');
});

test('a held program is killed and stays down until it is let go', async () => {
  const program = supervise(sleeper);
  await expect.poll(log).toBe('up\n');
  const holds = watchHolds(clock, [program], folder);
  writeFileSync(join(folder, 'program'), '');
  await expect.poll(() => program.report).toMatchObject({ state: 'held', lastExit: 'signal SIGKILL' });
  await clock.step(60_000);
  expect(program.report).toMatchObject({ state: 'held', restarts: 0 });
  rmSync(join(folder, 'program'));
  await expect.poll(() => program.report.state).toBe('running');
  await expect.poll(log).toBe('up\nup\n');
  holds.dispose();
});

test('a program that minds no SIGTERM is killed', async () => {
  const program = supervise('trap "" TERM; echo up; while :; do sleep 1000 & wait $!; done');
  await expect.poll(log).toBe('up\n');
  const stopped = program.stop();
  await clock.step(3_000);
  await stopped;
  expect(program.report).toMatchObject({ state: 'stopped', lastExit: 'signal SIGKILL' });
});

test('what cannot be started is told', async () => {
  supervised = new SupervisedProcess({
    name: 'program',
    command: ['/no/such/program'],
    ...{ clock, random: new SeededRandom(1), logger: silentLogger, logFolder: folder, onChange: () => undefined },
  });
  supervised.start();
  await expect.poll(() => supervised?.report.lastExit).toContain('ENOENT');
});

test('a log that grew too large is cut, and what was before is kept once', async () => {
  const program = supervise(sleeper);
  await expect.poll(log).toBe('up\n');
  writeFileSync(join(folder, 'program.log'), Buffer.alloc(10 * 1024 * 1024 + 1, 'x'));
  await clock.step(31_000);
  expect(log()).toBe('');
  expect(readFileSync(join(folder, 'program.log.1')).length).toBe(10 * 1024 * 1024 + 1);
  expect(program.report.state).toBe('running');
});
