import { release } from 'node:os';
import type { JSHandle, Locator, Page } from 'playwright-core';
import { expect } from 'vitest';
import type { SshTestMachine } from '../harness/ssh-machine.ts';
import { openCreateDialog } from './scenario.ts';

/** A pod a worker, each of which writes a line a second. The image is on every node. */
const talkers = `apiVersion: apps/v1
kind: DaemonSet
metadata: {name: talker, namespace: default}
spec:
  selector: {matchLabels: {app: talker}}
  template:
    metadata: {labels: {app: talker}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: docker.io/library/busybox:1.36
        command: [sh, -c, 'n=0; while true; do n=$((n+1)); echo tick $n; sleep 1; done']
`;

const startedMs = 120_000;
const readyMs = 60_000;
/** The grace period of the node monitor and its own period, on a machine with other things to do. */
const notReadyMs = 90_000;

/** Every state that a step of the page was in, as `text|state|node|percent`. A step may be over before a test looks. */
async function recordSteps(page: Page): Promise<JSHandle<string[]>> {
  return page.evaluateHandle(() => {
    const seen: string[] = [];
    new MutationObserver(() => {
      for (const step of document.querySelectorAll<HTMLElement>('[data-step-state]')) {
        const percent = step.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow') ?? '';
        const { step: text, stepState, stepNode = '' } = step.dataset;
        const line = [text, stepState, stepNode, percent].join('|');
        if (!seen.includes(line)) seen.push(line);
      }
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
    return seen;
  });
}

/** Two workers as containers, by the dialog. Returns what was seen of the steps on the way. */
export async function createDockerLab(page: Page, name: string): Promise<readonly string[]> {
  const steps = await recordSteps(page);
  await openCreateDialog(page);
  await page
    .getByTestId('create-dialog')
    .locator('label', { has: page.getByTestId('driver-docker') })
    .click();
  await page.getByTestId('create-name').fill(name);
  await page.getByTestId('create-workers').fill('2');
  await page.getByTestId('create-cpus').fill('1');
  await page.getByTestId('create-memory').fill('1024');
  await page.getByTestId('create-submit').click();
  for (const worker of ['worker-1', 'worker-2']) {
    const card = page.locator(`[data-node="${worker}"][data-state="ready"]`);
    await card.waitFor({ timeout: startedMs });
    await card.locator('[data-driver="docker"]').waitFor();
  }
  return steps.evaluate((seen) => seen);
}

export async function deployTalkers(page: Page): Promise<void> {
  await page.getByTestId('deploy-button-top').click();
  await page.getByRole('tab', { name: /yaml/i }).click();
  await page.getByTestId('deploy-yaml').fill(talkers);
  await page.getByTestId('deploy-submit').click();
  for (const worker of ['worker-1', 'worker-2']) await talkerOn(page, worker).waitFor({ timeout: readyMs });
}

function talkerOn(page: Page, node: string): Locator {
  return page.locator(`[data-node="${node}"] [data-pod^="talker-"][data-state="Ready"]`);
}

/** A log goes on while it is looked at. */
export async function followLog(page: Page): Promise<void> {
  await talkerOn(page, 'worker-1').click();
  await page.getByTestId('tab-logs').click();
  const last = async (): Promise<number> => {
    const ticks = (await page.getByTestId('pod-logs').innerText()).match(/tick (\d+)/g) ?? [];
    return Number(ticks.at(-1)?.slice('tick '.length) ?? 0);
  };
  await expect.poll(last, { timeout: readyMs }).toBeGreaterThan(0);
  const first = await last();
  await expect.poll(last, { timeout: readyMs }).toBeGreaterThan(first + 1);
}

/** A shell in a real container, in the panel below the map, where it stays. */
export class Shell {
  readonly #page: Page;
  #asked = 0;

  private constructor(page: Page) {
    this.#page = page;
  }

  static async open(page: Page, node: string): Promise<Shell> {
    await talkerOn(page, node).click();
    await page.getByTestId('tab-terminal').click();
    await page.getByTestId('open-terminal-main').click();
    await expect.poll(() => page.getByTestId('terminal-screen').innerText(), { timeout: readyMs }).toMatch(/[#$]/);
    await page.getByTestId('terminal-to-panel').click();
    await page.getByRole('button', { name: 'Close details' }).click();
    return new Shell(page);
  }

  /** Types a command; resolves with the first line of its output. */
  async ask(command: string): Promise<string> {
    const panel = this.#page.getByTestId('terminal-panel');
    await panel.locator('textarea').focus();
    const mark = `answer${++this.#asked}`;
    // What is typed is on the screen too, so the mark is put together by the shell.
    await this.#page.keyboard.type(`echo "answer""${this.#asked}: $(${command})"\n`);
    const said = async (): Promise<string | undefined> =>
      new RegExp(`${mark}: (.*)`).exec((await panel.innerText()).replaceAll('\u00a0', ' '))?.[1]?.trim();
    await expect.poll(said, { timeout: readyMs }).toBeDefined();
    return (await said()) ?? '';
  }

  async close(): Promise<void> {
    const panel = this.#page.getByTestId('terminal-panel');
    await panel.getByRole('button', { name: /^Close the terminal/ }).click();
  }
}

/** The kernel is this computer's, and the container's name its pod's: nothing is pretended. */
export async function expectRealContainer(shell: Shell): Promise<void> {
  expect(await shell.ask('uname -r')).toBe(release());
  expect(await shell.ask('hostname')).toMatch(/^talker-/);
  expect(await shell.ask('cat /proc/1/cmdline | tr "\\0" " "')).toContain('sh -c n=0; while true');
}

export async function podAddress(page: Page, node: string): Promise<string> {
  await talkerOn(page, node).click();
  const details = page.locator('aside');
  await expect.poll(() => details.innerText(), { timeout: readyMs }).toMatch(/10\.244\.\d+\.\d+/);
  const [address = ''] = /10\.244\.\d+\.\d+/.exec(await details.innerText()) ?? [];
  await page.getByRole('button', { name: 'Close details' }).click();
  return address;
}

/** `reached` or `lost`, as a pod finds it. */
export function ping(shell: Shell, address: string): Promise<string> {
  return shell.ask(`ping -c 1 -W 2 ${address} >/dev/null 2>&1 && echo reached || echo lost`);
}

/** Breaks a link as a person does: one end's mark, then the other's, then the dialog's button. */
export async function cutLink(page: Page, from: string, to: string): Promise<void> {
  await page.getByTestId(`link-${from}`).click();
  await page.getByTestId('link-hint').waitFor();
  await page.getByTestId(`link-${to}`).click();
  // Nothing heals by itself while the test looks, however slow this computer is.
  await page
    .getByTestId('fault-for')
    .locator('label', { has: page.getByTestId('fault-for-600') })
    .click();
  await page.getByTestId('fault-submit').click();
  await page.locator(`[data-link-fault][data-from="${from}"][data-to="${to}"]`).waitFor({ timeout: readyMs });
  await page.getByTestId('link-fault-dialog').waitFor({ state: 'detached' });
}

/** What the API server says of a node beside what is so. */
export async function readTruths(page: Page, node: string, said: RegExp): Promise<void> {
  const truths = page.locator(`[data-node="${node}"]`).getByTestId('two-truths');
  await expect.poll(() => truths.innerText(), { timeout: notReadyMs }).toMatch(said);
  expect(await truths.innerText()).toContain('the machine and its pods run on; the link to the API server is cut');
}

/** Heals everything in the list of faults; the map is as it was. */
export async function healAll(page: Page, faults: number): Promise<void> {
  await page.getByRole('tab', { name: /^Faults/ }).click();
  await page.getByTestId('heal-all').click();
  await expect.poll(() => page.locator('[data-fault-state="healed"]').count(), { timeout: readyMs }).toBe(faults);
  await expect.poll(() => page.locator('[data-link-fault]').count()).toBe(0);
  for (const worker of ['worker-1', 'worker-2'])
    await page.locator(`[data-node="${worker}"][data-state="ready"]`).waitFor({ timeout: readyMs });
  await page.getByTestId('two-truths').waitFor({ state: 'detached' });
}

/** Tests the connection, trusts the key that the machine shows, adds it. Resolves when its node is on the map. */
export async function addSshMachine(page: Page, machine: SshTestMachine, keyFile: string): Promise<void> {
  await page.getByTestId('add-worker').click();
  const dialog = page.getByTestId('add-worker-dialog');
  await dialog.locator('label', { has: page.getByTestId('driver-ssh') }).click();
  await page.getByTestId('node-name').fill('anchor');
  await page.getByTestId('ssh-host').fill(machine.address);
  await page.getByTestId('ssh-user').fill('root');
  await page.getByTestId('ssh-key').fill(keyFile);
  await page.getByTestId('ssh-test').click();
  const shown = page.getByTestId('ssh-fingerprint');
  await shown.waitFor({ timeout: readyMs });
  const known = machine.run('for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done');
  expect(known).toContain((await shown.innerText()).trim());
  await page.getByTestId('ssh-trust').click();
  const probe = page.locator('[data-testid="ssh-probe"][data-step="add"]');
  await probe.waitFor({ timeout: readyMs });
  expect(await probe.innerText()).toMatch(/Debian GNU\/Linux 12[^]*Nothing is missing/);
  await page.getByTestId('ssh-add').click();
}

/** Waits until the machine's node is Ready and runs a pod of its own. */
export async function sshNodeReady(page: Page, machine: SshTestMachine): Promise<void> {
  await page.getByTestId('add-worker-dialog').waitFor({ state: 'detached', timeout: startedMs });
  const card = page.locator('[data-node="anchor"][data-state="ready"]');
  await card.waitFor({ timeout: startedMs });
  expect(await card.locator('[data-driver="ssh"]').innerText()).toContain(`root@${machine.address}`);
  await talkerOn(page, 'anchor').waitFor({ timeout: readyMs });
}

/** Takes the node away with its card's button. */
export async function removeNode(page: Page, node: string): Promise<void> {
  const card = page.locator(`[data-node="${node}"]`);
  await card.getByRole('button', { name: `Remove ${node}` }).click();
  await card.getByRole('button', { name: 'Remove for good?' }).click();
  await card.waitFor({ state: 'detached', timeout: readyMs });
}
