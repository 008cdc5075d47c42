import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { RealClock, SteppedClock, type Clock } from '#base/clock';
import { Context } from '#base/context';
import { SinkLogger } from '#base/logger';
import { DockerEngine } from '#machines/docker/engine';
import { nodeLabels, type Labels } from '#machines/docker/labels';
import { removeLabeled } from '#machines/docker/sweep';
import type { GuardLine } from '#machines/guard/fault-guard';
import { serveGuard } from '#machines/guard/serve-guard';
import type { UndoAction } from '#machines/machine';
import { staticBusybox } from '../../harness/busybox.ts';
import { dockerProgram } from '../../harness/docker.ts';
import { skipWithout } from '../../harness/programs.ts';

const context = Context.background();
const folder = mkdtempSync(join(tmpdir(), 'drydock-rescue-'));
const [home, otherHome] = [join(folder, 'ours'), join(folder, 'theirs')];
const skip = skipWithout(dockerProgram(), staticBusybox);
const image = `drydock-test-rescue:${process.pid}`;
const prefix = `drydock-test-rescue-${process.pid}`;
const run = promisify(execFile);
const docker = async (...args: readonly string[]): Promise<string> => (await run('docker', args)).stdout.trim();

afterAll(() => rmSync(folder, { recursive: true }));

/** The guard, told `lines`; what it logged when its input ended and all was done. */
async function guard(lines: readonly GuardLine[], clock: Clock = new RealClock()): Promise<readonly string[]> {
  const logged: string[] = [];
  const logger = new SinkLogger(clock, ({ message }) => logged.push(message));
  const input = new PassThrough();
  const served = serveGuard(context, { input, clock, logger });
  for (const line of lines) input.write(`${JSON.stringify(line)}\n`);
  input.end();
  await served;
  return logged;
}

describe.skipIf(skip)('what a real engine is asked when Drydock died', { timeout: 120_000 }, () => {
  const engine = new DockerEngine();

  beforeAll(async () => {
    await run('sh', ['-c', `tar -C / -c bin/busybox | docker import - ${image}`]);
  }, 60_000);
  afterEach(async () => {
    for (const one of [home, otherHome]) await removeLabeled(context, engine, { home: one, lab: () => true });
  });
  afterAll(() => docker('rmi', '-f', image));

  const name = (node: string): string => `${prefix}-${node}`;
  const labelsOf = (labels: Labels): readonly string[] =>
    Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]);
  async function container(node: string, labels: Labels, ...more: readonly string[]): Promise<void> {
    const sleep = ['/bin/busybox', 'sleep', '1000'];
    await docker('run', '-d', '--init', '--name', name(node), ...labelsOf(labels), ...more, image, ...sleep);
  }
  const status = (node: string): Promise<string> => docker('inspect', '-f', '{{.State.Status}}', name(node));
  const keep = (node: string, action: UndoAction): GuardLine => ({
    ...{ keep: `${node} ${action}`, action },
    rescue: { driver: 'docker', endpoint: engine.endpoint, container: name(node), home },
  });

  test('the guard brings back what is frozen or off, what was dropped and what is not ours it leaves', async () => {
    const nodes = ['frozen', 'killed', 'dropped', 'foreign', 'fine'];
    await Promise.all(
      nodes.map((node) => container(node, nodeLabels(node === 'foreign' ? otherHome : home, 'lab', node))),
    );
    await docker('pause', name('frozen'), name('dropped'), name('foreign'));
    await docker('kill', name('killed'));
    const logged = await guard([
      keep('frozen', 'unpause'),
      keep('killed', 'start'),
      keep('dropped', 'unpause'),
      { drop: 'dropped unpause' },
      keep('foreign', 'unpause'),
      keep('fine', 'start'),
      keep('fine', 'unpause'),
      keep('gone', 'start'),
    ]);
    const now = await Promise.all(nodes.map(async (node) => `${node} ${await status(node)}`));
    expect(now).toEqual(['frozen running', 'killed running', 'dropped paused', 'foreign paused', 'fine running']);
    expect(logged.filter((line) => line.startsWith('a node was brought back'))).toHaveLength(2);
    expect(logged.filter((line) => line === 'nothing to bring back')).toHaveLength(4);
    await docker('unpause', name('dropped'), name('foreign'));
  });

  /** What there is of a home: kinds and names. */
  async function there(of: string): Promise<readonly string[]> {
    const filter = ['--filter', `label=dev.drydock.home=${of}`, '--format'];
    const lists = await Promise.all([
      docker('ps', '-a', ...filter, '{{.Names}}'),
      docker('volume', 'ls', ...filter, '{{.Name}}'),
      docker('network', 'ls', ...filter, '{{.Name}}'),
    ]);
    return lists
      .flatMap((list) => list.split('\n').filter(Boolean))
      .map((one) => one.slice(prefix.length + 1))
      .sort();
  }
  async function lab(of: string, labName: string, nodes: readonly string[]): Promise<void> {
    const network = `${prefix}-${labName}-net`;
    const [, ...labOnly] = labelsOf(nodeLabels(of, labName, 'x')).slice(0, 4);
    await docker('network', 'create', '--label', ...labOnly, network);
    for (const node of nodes) {
      const labels = nodeLabels(of, labName, node);
      await docker('volume', 'create', ...labelsOf(labels), name(`${labName}-${node}-state`));
      const mount = ['--network', network, '-v', `${name(`${labName}-${node}-state`)}:/state`, '-v', '/anonymous'];
      await container(`${labName}-${node}`, labels, ...mount);
    }
  }

  test('the sweep takes a node, a lab or a home, whatever runs in it, and nothing of others', async () => {
    await lab(home, 'one', ['a', 'b']);
    await lab(home, 'two', ['a']);
    await lab(otherHome, 'one-too', ['a']);
    const theirs = await there(otherHome);
    expect([theirs.length, (await there(home)).length]).toEqual([3, 8]);
    await docker('pause', name('one-b'));
    const anonymous = await docker('inspect', '-f', '{{range .Mounts}}{{.Name}} {{end}}', name('one-b'));

    await removeLabeled(context, engine, { home, lab: (one) => one === 'one', node: (node) => node === 'b' });
    expect(await there(home)).toEqual(['one-a', 'one-a-state', 'one-net', 'two-a', 'two-a-state', 'two-net']);
    const volumes = (await docker('volume', 'ls', '-q')).split('\n');
    expect(anonymous.split(' ').filter((volume) => volumes.includes(volume))).toEqual([]);

    await removeLabeled(context, engine, { home, lab: (one) => one !== 'two' });
    expect(await there(home)).toEqual(['two-a', 'two-a-state', 'two-net']);
    // What a probe of a dead Drydock left belongs to no lab.
    await container('probe', { 'dev.drydock.home': home });
    await removeLabeled(context, engine, { home, lab: () => false });
    expect(await there(home)).toEqual(['two-a', 'two-a-state', 'two-net']);

    // Two at once: a `down --delete`, and the next start of Drydock.
    const sweep = () => removeLabeled(context, engine, { home, lab: () => true });
    await Promise.all([sweep(), sweep()]);
    expect([await there(home), await there(otherHome)]).toEqual([[], theirs]);
  });
});

describe('an engine that is starting again', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());
  const line = (endpoint: string): GuardLine => ({
    ...{ keep: '1', action: 'start' },
    rescue: { driver: 'docker', endpoint, container: 'node', home },
  });

  /** Steps over the pauses between tries for as long as `serving` takes; how many there were. */
  async function stepThrough(clock: SteppedClock, serving: Promise<unknown>, each: (tries: number) => void = () => {}) {
    let over = false;
    void serving.finally(() => (over = true));
    let tries = 1;
    for (;;) {
      await expect.poll(() => over || clock.pendingTimers > 0, { interval: 5 }).toBe(true);
      if (over) return tries;
      each(tries++);
      await clock.step(3_000);
    }
  }

  test('is asked again until it answers', async () => {
    const endpoint = join(folder, 'late.sock');
    const asked: string[] = [];
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url?.replace(/^\/v[\d.]+/, '')}`);
      if (request.method === 'POST') return void response.writeHead(204).end();
      response.writeHead(200, { 'content-type': 'application/json' });
      const facts = { State: { Running: false, Paused: false }, Config: { Labels: nodeLabels(home, 'lab', 'node') } };
      response.end(JSON.stringify(facts));
    });
    const clock = new SteppedClock();
    const serving = guard([line(endpoint)], clock);
    const tries = await stepThrough(clock, serving, (made) => made === 3 && server?.listen(endpoint));
    expect(tries).toBeGreaterThanOrEqual(4);
    expect(asked).toEqual(['GET /containers/node/json', 'POST /containers/node/start']);
    expect((await serving).at(-1)).toMatch(/a node was brought back/);
  });

  test('that never answers is given up on', async () => {
    const clock = new SteppedClock();
    const serving = guard([line(join(folder, 'never.sock'))], clock);
    expect(await stepThrough(clock, serving)).toBe(10);
    expect(new Set(await serving)).toEqual(new Set(['a node was not brought back']));
  });
});
