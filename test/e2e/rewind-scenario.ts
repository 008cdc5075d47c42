import type { Locator, Page } from 'playwright-core';
import { expect } from 'vitest';

const soonMs = 10_000;
/** From now back to a moment of the kill, in steps of ten revisions. */
const mostSteps = 150;

const shownAt = async (page: Page): Promise<number> =>
  Number(await page.getByTestId('rewind-revision').getAttribute('data-revision'));
/** Waits until what was asked for is on the screen. */
const arrived = (page: Page): Promise<void> =>
  page.locator('[data-testid="rewind-revision"][data-moving="false"]').waitFor({ timeout: soonMs });
const webPods = (page: Page): Locator => page.locator('[data-pod^="web-"]');

async function press(page: Page, key: string): Promise<void> {
  await page.getByTestId('rewind-slider').press(key);
  await arrived(page);
}

/** Keys under /registry/, as the tree of the store counts them. */
async function keysInStore(page: Page): Promise<number> {
  await page.getByTestId('rail-store').click();
  const branch = page.locator('[data-prefix="/registry/"]').first();
  await branch.waitFor({ timeout: soonMs });
  const count = (await branch.locator('.end').innerText()).replace(/\D/g, '');
  await page.getByTestId('rail-lab').click();
  return Number(count);
}

/** After a kill: to the beginning, to the moment of the kill, step by step, and played back to now. */
export async function rewindTheLab(page: Page, onPast: () => Promise<void>): Promise<void> {
  const keysNow = await keysInStore(page);
  await page.getByTestId('rewind-button').click();
  await page.getByTestId('rewind-bar').waitFor();
  await press(page, 'ArrowLeft');
  await goBackToTheKill(page);
  await onPast();
  await refuseToChange(page);
  await stepOneByOne(page);
  await press(page, 'Home');
  await expect.poll(() => webPods(page).count(), { timeout: soonMs }).toBe(0);
  expect(await page.locator('[data-node]').count()).toBe(0);
  // At the very first revision there is not one key.
  await press(page, 'PageUp');
  expect(await keysInStore(page)).toBeLessThan(keysNow);
  await playToNow(page);
}

async function goBackToTheKill(page: Page): Promise<void> {
  const down = page.locator('[data-node="worker-2"][data-state="not-ready"]');
  for (let step = 0; step < mostSteps && (await down.locator('[data-pod^="web-"]').count()) === 0; step++)
    await press(page, 'Shift+ArrowLeft');
  expect(await down.locator('[data-pod^="web-"]').count()).toBeGreaterThan(0);
  expect(await page.getByTestId('rewind-banner').innerText()).toContain('The past, read-only');
}

/** By button, by key and by dialog. */
async function refuseToChange(page: Page): Promise<void> {
  const kill = page.getByTestId('kill-worker-1');
  expect(await kill.isDisabled()).toBe(true);
  expect(await kill.getAttribute('title')).toContain('as it was at revision');
  expect(await page.getByTestId('deploy-button-top').isDisabled()).toBe(true);
  const name = page.locator('[data-node-name="worker-1"]');
  await name.focus();
  await page.keyboard.press('c');
  await page.getByText(/kubectl cordon worker-1: the lab is shown as it was/).waitFor({ timeout: soonMs });
  await page.keyboard.press('Control+d');
  await page.getByText(/Deploy: the lab is shown as it was/).waitFor({ timeout: soonMs });
  expect(await page.getByTestId('deploy-submit').count()).toBe(0);
}

async function stepOneByOne(page: Page): Promise<void> {
  const start = await shownAt(page);
  await press(page, 'ArrowLeft');
  expect(await shownAt(page)).toBe(start - 1);
  await page.getByTestId('rewind-forward').click();
  await expect.poll(() => shownAt(page), { timeout: soonMs }).toBe(start);
}

async function playToNow(page: Page): Promise<void> {
  await page.getByTestId('rewind-speed-100').click();
  await page.getByTestId('rewind-play').click();
  await expect.poll(() => webPods(page).count(), { timeout: 3 * soonMs }).toBeGreaterThan(0);
  await page.getByTestId('rewind-banner').waitFor({ state: 'detached', timeout: 3 * soonMs });
  await page.locator('[data-node="worker-2"][data-machine="running"]').waitFor({ timeout: soonMs });
  expect(await page.getByTestId('kill-worker-1').isEnabled()).toBe(true);
  await page.getByTestId('rewind-close').click();
  await page.getByTestId('rewind-bar').waitFor({ state: 'detached' });
}
