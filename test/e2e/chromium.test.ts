import { rmSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drydock, temporaryHome, type UpFacts } from '../harness/lab.ts';
import { chromiumProgram, skipWithout } from '../harness/programs.ts';
import { rewindTheLab } from './rewind-scenario.ts';
import {
  createCluster,
  deployImpatientWeb,
  killAndWatchPodsMove,
  readKeyInStore,
  screenshot,
  typeIntoContainer,
  watchConsole,
} from './scenario.ts';

describe.skipIf(skipWithout(chromiumProgram))('the UI in Chromium, on the headless host', () => {
  const home = temporaryHome();
  let browser: Browser | undefined;
  let page: Page;
  let complaints: string[];
  let facts: UpFacts;

  beforeAll(async () => {
    const shape = ['--masters', '3', '--workers', '1'];
    const up = await drydock(['up', '--home', home, '--name', 'first', ...shape, '--detach', '--json']);
    expect(up.stderr).not.toContain('drydock:');
    facts = JSON.parse(up.stdout) as UpFacts;
    browser = await chromium.launch({
      executablePath: chromiumProgram.path ?? '',
      args: [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-quic',
        '--no-first-run',
      ],
    });
    page = await browser.newPage({ viewport: { width: 1440, height: 860 }, colorScheme: 'light' });
    complaints = watchConsole(page);
  });
  afterAll(async () => {
    try {
      await browser?.close();
    } finally {
      await drydock(['down', '--name', 'harbor', '--delete', '--home', home]);
      await drydock(['down', '--name', 'first', '--delete', '--home', home]);
      rmSync(home, { recursive: true, force: true });
    }
  });

  it('opens with its token once, and is closed to everybody else', async () => {
    const url = facts.uiUrl ?? '';
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=/);
    await page.goto(url);
    await page.locator('[data-node="worker-1"][data-state="ready"]').waitFor();
    const again = await fetch(url, { redirect: 'manual' });
    expect(again.status).toBe(401);
    expect((await fetch(new URL('/', url), { redirect: 'manual' })).status).toBe(401);
  });

  it('kills one of three masters, goes on through the others, and starts it again', async () => {
    await page.getByTestId('kill-master-1').click();
    const card = page.locator('[data-master="master-1"]');
    await expect.poll(() => card.getAttribute('data-state'), { timeout: 20_000 }).toBe('killed');
    await expect.poll(() => card.innerText()).toContain('Killed');
    await expect.poll(() => page.getByTestId('lab-health').innerText()).toContain('master-1 down');
    // The store lives on, and whoever asks is answered.
    expect(await card.locator('[data-component^="etcd/"]').getAttribute('data-state')).toBe('running');
    await page.locator('[data-node="worker-1"][data-state="ready"]').waitFor();
    await card.getByTestId('start-master-1').focus();
    await page.keyboard.press('k');
    await expect.poll(() => card.getAttribute('data-state'), { timeout: 20_000 }).toBe('running');
  });

  it('creates a cluster and shows three Ready nodes', async () => {
    await createCluster(page, 'harbor');
  });

  it('deploys', async () => {
    await deployImpatientWeb(page);
    await screenshot(page, 'lab-light');
  });

  it('reads a log and opens a terminal into a container', async () => {
    await typeIntoContainer(page);
  });

  it('kills a node and shows its pods move', async () => {
    await killAndWatchPodsMove(page, async () => {
      await page.emulateMedia({ colorScheme: 'dark' });
      await screenshot(page, 'killed-dark');
      await page.emulateMedia({ colorScheme: 'light' });
    });
  });

  it('rewinds to the kill, refuses changes there, and plays back to now', async () => {
    await rewindTheLab(page, () => screenshot(page, 'rewind-light'));
  });

  it('reads a key of the store', async () => {
    await readKeyInStore(page);
    await screenshot(page, 'store-light');
  });

  it('complained of nothing', () => {
    expect(complaints).toEqual([]);
  });
});
