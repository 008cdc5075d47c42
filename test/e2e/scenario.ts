import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import { root } from '../harness/programs.ts';

/** A Deployment whose pods leave an unreachable node after two seconds instead of five minutes. */
const impatientWeb = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 6
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      tolerations:
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 2}
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 2}
      containers:
      - {name: nginx, image: "nginx:1.27"}
`;

const readyMs = 60_000;
/** The node monitor's grace period, the eviction's two seconds, and time to start elsewhere. */
const movedMs = 120_000;

/** Collects what a page complains of. The list must stay empty. */
export function watchConsole(page: Page): string[] {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  return complaints;
}

/** By the button of an empty home, else by the list of labs. */
export async function openCreateDialog(page: Page): Promise<void> {
  const [first] = await page.getByTestId('create-button').all();
  if (first) await first.click();
  else {
    await page.getByTestId('lab-switcher').click();
    await page.getByTestId('create-button-menu').click();
  }
}

export async function createCluster(page: Page, name: string): Promise<void> {
  await openCreateDialog(page);
  await page.getByTestId('create-name').fill(name);
  await page.getByTestId('create-workers').fill('3');
  await page.getByTestId('create-submit').click();
  for (const worker of ['worker-1', 'worker-2', 'worker-3']) {
    await page.locator(`[data-node="${worker}"][data-state="ready"]`).waitFor({ timeout: readyMs });
  }
}

export async function deployImpatientWeb(page: Page): Promise<void> {
  await page.getByTestId('deploy-button-top').click();
  await page.getByRole('tab', { name: /yaml/i }).click();
  await page.getByTestId('deploy-yaml').fill(impatientWeb);
  await page.getByTestId('deploy-submit').click();
  await expect.poll(() => page.locator('[data-pod^="web-"][data-state="Ready"]').count(), { timeout: readyMs }).toBe(6);
}

/** Reads what a container writes, and has a shell in it count. */
export async function typeIntoContainer(page: Page): Promise<void> {
  await page.locator('[data-pod^="web-"][data-state="Ready"]').first().click();
  await page.getByTestId('tab-logs').click();
  await page.getByTestId('pod-logs').waitFor();
  await page.getByTestId('tab-terminal').click();
  await page.getByTestId('open-terminal-nginx').click();
  const screen = page.getByTestId('terminal-screen');
  await expect.poll(() => screen.innerText(), { timeout: readyMs }).toMatch(/[#$]/);
  await page.keyboard.type('echo sum $((20 + 22))\n');
  await expect.poll(() => screen.innerText(), { timeout: readyMs }).toContain('sum 42');
  await page.getByTestId('terminal-to-panel').click();
  await expect.poll(() => page.getByTestId('terminal-panel').innerText()).toContain('sum 42');
  await page
    .getByTestId('terminal-panel')
    .getByRole('button', { name: /^Close the terminal/ })
    .click();
  await page.getByRole('button', { name: 'Close details' }).click();
}

/** Kills a node that runs some of the pods and follows them to the others. */
export async function killAndWatchPodsMove(page: Page, onDown: () => Promise<void>): Promise<void> {
  const victim = 'worker-2';
  const card = page.locator(`[data-node="${victim}"]`);
  const before = await card.locator('[data-pod^="web-"]').count();
  expect(before).toBeGreaterThan(0);
  await page.getByTestId(`kill-${victim}`).click();
  await page.locator(`[data-node="${victim}"][data-machine="killed"]`).waitFor();
  await page.locator(`[data-node="${victim}"][data-state="not-ready"]`).waitFor({ timeout: movedMs });
  await page.getByTestId('two-truths').waitFor();
  await onDown();
  const elsewhere = page.locator(
    '[data-node="worker-1"] [data-pod^="web-"][data-state="Ready"], [data-node="worker-3"] [data-pod^="web-"][data-state="Ready"]',
  );
  await expect.poll(() => elsewhere.count(), { timeout: movedMs }).toBe(6);
  await page.getByTestId(`start-${victim}`).click();
  await page.locator(`[data-node="${victim}"][data-state="ready"]`).waitFor({ timeout: readyMs });
}

/** Finds the Deployment's key in the tree and reads its decoded value. */
export async function readKeyInStore(page: Page): Promise<void> {
  const key = '/registry/deployments/default/web';
  await page.getByTestId('rail-store').click();
  await page.getByTestId('store-page').waitFor();
  await page
    .getByTestId('store-filter')
    .first()
    .locator('input')
    .or(page.getByTestId('store-filter').first())
    .last()
    .fill(key);
  await page.locator(`[data-key="${key}"]`).first().click();
  await expect.poll(() => page.getByTestId('key-value').innerText(), { timeout: readyMs }).toContain('Deployment');
  await expect.poll(() => page.getByTestId('key-value').innerText()).toContain('nginx:1.27');
}

/** Writes a picture for the README. Size and theme are the caller's. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = join(root, 'resources/screenshots');
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' });
}
