import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { RemoteEtcd } from '#etcd/remote/remote-etcd';
import { chromiumProgram, root } from '../harness/programs.ts';
import type { UpFacts } from '../harness/lab.ts';
import type { Row } from './report.ts';

const allKeys = 200_000;
const keysAtOnce = 100;
const eventsPerSecond = 500;
const lookMs = 10_000;
const context = Context.background();

/**
 * The store's window on a real lab with 200,000 keys of which 500 a second change, in Chromium without a graphics card: how long its
 * frames take while a person scrolls the tree and watches the stream, and whether every change was counted.
 */
export async function storeWindowRows(): Promise<Row[]> {
  const host = await startHost();
  const tls = {
    ca: readFileSync(host.facts.etcd.ca, 'utf8'),
    cert: readFileSync(host.facts.etcd.cert, 'utf8'),
    key: readFileSync(host.facts.etcd.key, 'utf8'),
  };
  const options = { clock: new RealClock(), random: new SeededRandom(1), logger: silentLogger };
  const etcd = new RemoteEtcd({ ...options, endpoints: [host.facts.etcd.endpoint], tls });
  try {
    await fill(etcd);
    return await look(host.facts.uiUrl ?? '', etcd);
  } finally {
    etcd.close();
    await stopHost(host);
  }
}

interface Host {
  readonly child: ChildProcess;
  readonly home: string;
  readonly facts: UpFacts;
}

function startHost(): Promise<Host> {
  const home = mkdtempSync(join(tmpdir(), 'drydock-bench-window-'));
  const args = ['out/main/drydock.cjs', 'up', '--json', '--home', home, '--workers', '1', '--api-port', '26553'];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let text = '';
    child.stderr.resume();
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (text.includes('\n')) resolve({ child, home, facts: JSON.parse(text) as UpFacts });
    });
    child.on('exit', (code) => reject(new Error(`drydock up ended with ${String(code)}`)));
  });
}

async function stopHost({ child, home }: Host): Promise<void> {
  child.removeAllListeners('exit');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  rmSync(home, { recursive: true, force: true });
}

/** A ConfigMap-like value of half a kilobyte, under a prefix that no API server reads. */
function valueOf(index: number, version: number): Uint8Array {
  const data = { index, version, text: 'harbour '.repeat(48) };
  return Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'Cargo', metadata: { name: `box-${index}` }, data }));
}

const benchPrefix = '/bench/cargo/';
const keyOf = (index: number): string => `${benchPrefix}hold-${index % 4}/box-${String(index).padStart(6, '0')}`;

async function fill(etcd: RemoteEtcd): Promise<void> {
  process.stderr.write(`writing ${allKeys} keys\n`);
  const inFlight = 8;
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let from = next; from < allKeys; from = next) {
      next = from + keysAtOnce;
      const puts = Array.from({ length: keysAtOnce }, (_one, at) => ({
        ...({ type: 'put', key: keyOf(from + at), value: valueOf(from + at, 1) } as const),
      }));
      await etcd.txn(context, { compare: [], success: puts, failure: [] });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

/** Writes at a steady pace until told to stop; answers with how many changes it made. */
async function write(etcd: RemoteEtcd, stopped: () => boolean): Promise<number> {
  let made = 0;
  const startedMs = performance.now();
  const waiting = new Set<Promise<unknown>>();
  while (!stopped()) {
    for (const due = ((performance.now() - startedMs) / 1000) * eventsPerSecond; made < due; made++) {
      const index = (made * 7919) % allKeys;
      // One in ten comes or goes; the rest change.
      const fresh = `${benchPrefix}hold-${made % 4}/new-${(made / 20) | 0}`;
      const operation =
        made % 20 === 0
          ? ({ type: 'put', key: fresh, value: valueOf(index, 1) } as const)
          : made % 20 === 10
            ? ({ type: 'delete', key: `${benchPrefix}hold-${(made - 10) % 4}/new-${(made / 20) | 0}` } as const)
            : ({ type: 'put', key: keyOf(index), value: valueOf(index, made) } as const);
      const writing = etcd
        .txn(context, { compare: [], success: [operation], failure: [] })
        .finally(() => waiting.delete(writing));
      waiting.add(writing);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await Promise.all(waiting);
  return made;
}

interface Frames {
  readonly frames: readonly number[];
  readonly longTasks: readonly number[];
}

/** Frame times and tasks over 50 ms, as the page itself sees them, while `work` goes on. */
async function measured(page: Page, work: () => Promise<void>): Promise<Frames> {
  await page.evaluate(() => {
    const state = { frames: [] as number[], longTasks: [] as number[], on: true };
    (globalThis as { benchFrames?: typeof state }).benchFrames = state;
    let before = performance.now();
    const frame = (): void => {
      const now = performance.now();
      state.frames.push(now - before);
      before = now;
      if (state.on) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) state.longTasks.push(entry.duration);
    });
    observer.observe({ type: 'longtask' });
  });
  await work();
  return page.evaluate(() => {
    const state = (globalThis as { benchFrames?: Frames & { on: boolean } }).benchFrames;
    if (!state) throw new Error('nothing was measured');
    state.on = false;
    return { frames: state.frames, longTasks: state.longTasks };
  });
}

async function look(url: string, etcd: RemoteEtcd): Promise<Row[]> {
  const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];
  const browser = await chromium.launch({ executablePath: chromiumProgram.path ?? 'chromium', args });
  let ended = false;
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 860 } });
    await page.goto(url);
    await page.getByTestId('rail-store').click();
    await page.locator('[data-prefix="/bench/"]').waitFor();
    const open = async (path: string): Promise<number> => {
      const startedMs = performance.now();
      await page.locator(`[data-prefix="${path}"]`).click();
      await page.locator(`[data-prefix^="${path}"], [data-key^="${path}"]`).nth(1).waitFor();
      return performance.now() - startedMs;
    };
    const opened = [await open('/bench/'), await open(benchPrefix), await open(`${benchPrefix}hold-0/`)];
    const idle = await measured(page, () => page.waitForTimeout(lookMs));
    const counted = async (): Promise<number> =>
      Number((await page.getByTestId('changes-counted').innerText()).replace(/\D/g, ''));
    const writing = write(etcd, () => ended);
    const tree = await measured(page, () => scroll(page, 'store-tree'));
    await page.getByTestId('store-page').locator('[data-tab="live"]').click();
    const live = await measured(page, () => page.waitForTimeout(lookMs));
    const rate = Number.parseFloat(await page.getByTestId('puts-per-second').innerText());
    const stream = await measured(page, () => scroll(page, 'store-stream'));
    await page.screenshot({ path: join(tmpdir(), 'drydock-bench-window.png') });
    await page.getByTestId('store-page').locator('[data-tab="search"]').click();
    const search = await measured(page, () => searchAll(page));
    ended = true;
    const made = await writing;
    await page.getByTestId('store-page').locator('[data-tab="live"]').click();
    await page.waitForTimeout(1500);
    return [
      { what: 'a level of the tree opened', values: opened, unit: 'ms', goal: '' },
      ...frameRows('idle, 200,000 keys', idle),
      ...frameRows('tree scrolled, 500 events/s', tree),
      ...frameRows('live view, 500 events/s', live),
      ...frameRows('stream scrolled, 500 events/s', stream),
      ...frameRows('all values searched, 500 events/s', search),
      { what: 'puts/s that the view tells', values: [rate], unit: '/s', goal: '475/s' },
      { what: 'changes made, of the bench', values: [made], unit: '', goal: '' },
      { what: 'changes counted, the lab’s own too', values: [await counted()], unit: '', goal: `${made} at least` },
    ];
  } finally {
    ended = true;
    await browser.close();
  }
}

async function scroll(page: Page, list: string): Promise<void> {
  const box = await page.getByTestId(list).boundingBox();
  if (!box) throw new Error(`${list} is not on the screen`);
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  const untilMs = performance.now() + lookMs;
  for (let step = 0; performance.now() < untilMs; step++) {
    await page.mouse.wheel(0, step % 60 < 50 ? 420 : -1600);
    await page.waitForTimeout(16);
  }
}

async function searchAll(page: Page): Promise<void> {
  await page.getByTestId('search-values').click();
  await page.getByTestId('store-search').fill('box-199999');
  await page.getByText(/^\s*1 in 200/).waitFor({ timeout: 120_000 });
}

function frameRows(what: string, { frames, longTasks }: Frames): Row[] {
  const sorted = [...frames].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return [
    { what: `${what}: frame, p50`, values: [at(0.5)], unit: 'ms', goal: '17 ms' },
    { what: '  frame, p99', values: [at(0.99)], unit: 'ms', goal: '50 ms' },
    { what: '  longest task', values: [Math.max(0, ...longTasks)], unit: 'ms', goal: '100 ms' },
    { what: '  tasks over 50 ms', values: [longTasks.length], unit: '', goal: '' },
  ];
}
