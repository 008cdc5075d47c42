import { rmSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drydock, run, temporaryHome, type UpFacts } from '../harness/lab.ts';
import { chromiumProgram, kubectlProgram, skipWithout } from '../harness/programs.ts';
import { watchConsole } from './scenario.ts';

const limitMs = 20_000;

describe.skipIf(skipWithout(chromiumProgram, kubectlProgram))("the store's window, on a real store", () => {
  const home = temporaryHome();
  let browser: Browser;
  let page: Page;
  let complaints: string[];
  let facts: UpFacts;

  const kubectl = async (args: readonly string[]): Promise<void> => {
    const env = { PATH: process.env['PATH'], HOME: home, KUBECONFIG: facts.kubeconfig };
    const output = await run(kubectlProgram.path ?? '', args, { env });
    expect(output, args.join(' ')).toMatchObject({ code: 0 });
  };
  const view = (name: string) => page.getByTestId('store-page').locator(`[data-tab="${name}"]`).click();
  const text = (testid: string): Promise<string> => page.getByTestId(testid).innerText();

  beforeAll(async () => {
    const up = await drydock(['up', '--home', home, '--name', 'window', '--workers', '1', '--detach', '--json']);
    facts = JSON.parse(up.stdout) as UpFacts;
    await kubectl(['create', 'configmap', 'harbour', '--from-literal=lamp=green-lantern']);
    await kubectl(['patch', 'configmap', 'harbour', '-p', '{"data":{"lamp":"red-lantern"}}']);
    await kubectl(['create', 'secret', 'generic', 'door', '--from-literal=password=open-sesame']);
    const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];
    browser = await chromium.launch({ executablePath: chromiumProgram.path ?? '', args });
    page = await browser.newPage({ viewport: { width: 1440, height: 860 } });
    complaints = watchConsole(page);
    await page.goto(facts.uiUrl ?? '');
    await page.getByTestId('rail-store').click();
  });
  afterAll(async () => {
    await browser.close();
    await drydock(['down', '--name', 'window', '--delete', '--home', home]);
    rmSync(home, { recursive: true, force: true });
  });

  it('walks the tree with the keyboard to a key, and shows what two revisions differ in', async () => {
    const branch = page.locator('[data-prefix="/registry/configmaps/"]');
    await branch.focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('[data-prefix="/registry/configmaps/default/"]').waitFor();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowRight');
    const key = page.locator('[data-key="/registry/configmaps/default/harbour"]');
    await key.waitFor();
    await key.click();
    await expect.poll(() => text('key-json'), { timeout: limitMs }).toContain('red-lantern');
    expect(await text('key-value')).toContain('patch configmaps default/harbour');
    await page.locator('[data-tab="history"]').click();
    await expect.poll(() => text('key-diff'), { timeout: limitMs }).toContain('green-lantern');
    expect(await text('key-diff')).toContain('red-lantern');
    expect(await page.getByTestId('key-revisions').locator('[data-revision]').count()).toBe(2);
    await page.locator('[data-tab="bytes"]').click();
    await page.getByTestId('bytes-text').click();
    await expect.poll(() => text('key-bytes')).toContain('"lamp":"red-lantern"');
    await page.locator('[data-tab="managers"]').click();
    await expect.poll(() => text('key-managers')).toContain('data.lamp');
  });

  it('finds a value anywhere, and hides what Secrets hold until it is asked for', async () => {
    await page.keyboard.press('Control+f');
    await page.getByTestId('store-search').fill('RED-lantern');
    const found = page.getByTestId('search-matches').locator('[data-key]');
    await expect
      .poll(() => found.evaluateAll((all) => all.map((one) => one.dataset['key'])), { timeout: limitMs })
      .toEqual(['/registry/configmaps/default/harbour']);
    // Of the data in base64, as the store holds it.
    await page.getByTestId('store-search').fill(Buffer.from('open-sesame').toString('base64').slice(0, 12));
    await expect.poll(() => text('search-matches'), { timeout: limitMs }).toContain('inside the Secret');
    await page.locator('[data-key="/registry/secrets/default/door"]').click();
    await expect.poll(() => text('key-json'), { timeout: limitMs }).toMatch(/password: "?\(hidden: 16 bytes/);
    await page.getByTestId('reveal').click();
    await expect.poll(() => text('key-json')).toContain(Buffer.from('open-sesame').toString('base64'));
  });

  it('shows puts and deletes as they come, with their rates and where they fall', async () => {
    await view('live');
    await kubectl(['delete', 'configmap', 'harbour']);
    const stream = page.getByTestId('store-stream');
    await expect
      .poll(() => stream.innerText(), { timeout: limitMs })
      .toMatch(/DEL\s+\/registry\/configmaps\/default\/harbour/);
    await expect.poll(() => text('heat-map'), { timeout: limitMs }).toContain('configmaps/');
    expect(Number((await text('changes-counted')).replace(/\D/g, ''))).toBeGreaterThan(0);
    await stream.getByText('/registry/configmaps/default/harbour').first().click();
    await expect.poll(() => text('key-value'), { timeout: limitMs }).toContain('Deleted at revision');
    await expect.poll(() => text('key-json')).toContain('red-lantern');
  });

  it('shows leases with their keys and watchers with their names', async () => {
    await view('leases');
    await page.locator('[data-lease] button').first().click();
    await expect.poll(() => text('store-leases'), { timeout: limitMs }).toContain('/registry/events/');
    await view('watchers');
    const watchers = page.getByTestId('store-watchers');
    await expect.poll(() => watchers.innerText(), { timeout: limitMs }).toContain('kube-apiserver/');
    await page.getByTestId('watchers-api').click();
    await expect.poll(() => watchers.innerText(), { timeout: limitMs }).toContain('kubelet/');
  });

  it('compacts and defragments after a question, and says what came of it', async () => {
    await view('database');
    await page.getByTestId('store-compact').click();
    await page.getByTestId('compact-keep').fill('20');
    await page.getByTestId('compact-confirm').click();
    await expect.poll(() => text('upkeep-result'), { timeout: limitMs }).toMatch(/Compacted at \d+ \(before: 0\)/);
    await expect.poll(() => text('compact-revision'), { timeout: limitMs }).toMatch(/^\d+$/);
    await page.getByTestId('store-defragment').click();
    await page.getByTestId('defragment-confirm').click();
    await expect.poll(() => text('upkeep-result'), { timeout: limitMs }).toMatch(/File .* → /);
    expect(await page.getByTestId('etcdctl').first().innerText()).toContain('etcdctl defrag');
  });

  it('complained of nothing', () => {
    expect(complaints).toEqual([]);
  });
});
