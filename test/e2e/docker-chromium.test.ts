import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, temporaryHome, type Output, type UpFacts } from '../harness/lab.ts';
import { dockerProgram } from '../harness/docker.ts';
import { chromiumProgram, namespacesProgram, skipWithout } from '../harness/programs.ts';
import { SshTestLab, type SshTestMachine } from '../harness/ssh-machine.ts';
import { mmdebstrapProgram, sshMachineImage } from '../harness/ssh-machine-image.ts';
import { FreshBuild, guardRoutes, isHost, labNetwork, leftOf, removeAll } from './docker-lab.ts';
import {
  addSshMachine,
  createDockerLab,
  cutLink,
  deployTalkers,
  expectRealContainer,
  followLog,
  healAll,
  ping,
  podAddress,
  readTruths,
  removeNode,
  Shell,
  sshNodeReady,
} from './docker-scenario.ts';
import { screenshot, watchConsole } from './scenario.ts';

/** The map with its cuts and the list of them, without the terminal below. */
async function takePictures(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Hide the terminals' }).click();
  await page.getByRole('tab', { name: /^Faults/ }).click();
  await page.locator('[data-link-end="api"]').scrollIntoViewIfNeeded();
  await screenshot(page, 'cut-light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await screenshot(page, 'cut-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.getByTestId('rail-terminal').click();
  await page.getByTestId('terminal-panel').locator('textarea').waitFor({ state: 'attached' });
}

const programs = [chromiumProgram, dockerProgram(), namespacesProgram, mmdebstrapProgram];

describe.skipIf(skipWithout(...programs))('real nodes, in Chromium', () => {
  const home = temporaryHome();
  let build: FreshBuild | undefined;
  let browser: Browser | undefined;
  let page: Page;
  let complaints: string[];
  let hostPid: number;
  let shell: Shell;
  let neighbour: string;
  let machines: SshTestLab | undefined;
  let machine: SshTestMachine;

  const drydock = (...args: readonly string[]): Promise<Output> =>
    run(process.execPath, [build?.cli ?? '', ...args, '--home', home], { timeoutMs: 90_000 });

  beforeAll(async () => {
    guardRoutes();
    sshMachineImage('full');
    build = new FreshBuild();
    const up = await drydock('up', '--name', 'first', '--workers', '0', '--detach', '--json');
    expect(up.stderr).not.toContain('drydock:');
    browser = await chromium.launch({
      executablePath: chromiumProgram.path ?? '',
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-quic'],
    });
    page = await browser.newPage({ viewport: { width: 1440, height: 860 }, colorScheme: 'light' });
    complaints = watchConsole(page);
    const facts = JSON.parse(up.stdout) as UpFacts;
    hostPid = facts.pid;
    await page.goto(facts.uiUrl ?? '');
  });

  afterAll(async () => {
    try {
      await browser?.close();
      machines?.dispose();
      if (build) {
        await drydock('down', '--name', 'pier', '--delete', '--force');
        await drydock('down', '--name', 'first', '--delete');
      }
    } finally {
      if (isHost(hostPid, home)) process.kill(hostPid, 'SIGKILL');
      removeAll(home);
      build?.dispose();
      rmSync(home, { recursive: true, force: true });
    }
  });

  it('creates a lab of Docker nodes; the image is built and the nodes start in sight', async () => {
    const steps = await createDockerLab(page, 'pier');
    const image = 'Preparing images and networks of the nodes';
    expect(steps.some((step) => step.startsWith(`${image}|running||`) && !step.endsWith('|'))).toBe(true);
    for (const node of ['worker-1', 'worker-2'])
      for (const state of ['waiting', 'running', 'done'])
        expect(steps).toContainEqual(expect.stringMatching(`^Starting ${node}\\|${state}\\|${node}\\|`));
  });

  it('follows the log of a real container', async () => {
    await deployTalkers(page);
    await followLog(page);
  });

  it('opens a terminal into a real container', async () => {
    shell = await Shell.open(page, 'worker-1');
    await expectRealContainer(shell);
    neighbour = await podAddress(page, 'worker-2');
    expect(await ping(shell, neighbour)).toBe('reached');
  });

  it('cuts the link between two nodes: their pods lose each other', async () => {
    await cutLink(page, 'worker-1', 'worker-2');
    expect(await ping(shell, neighbour)).toBe('lost');
    await page.locator('[data-node="worker-2"][data-state="ready"]').waitFor();
  });

  it('cuts a node from the API server, which still believes in it', async () => {
    await cutLink(page, 'worker-2', 'api');
    await readTruths(page, 'worker-2', /node Ready, \d pods? Running/);
  });

  it('adds a machine by SSH while that is so, and the API server gives the node up', async () => {
    machines = new SshTestLab(77, { join: labNetwork(home) });
    machine = await machines.start('full');
    const keyFile = join(machines.folder, 'key');
    writeFileSync(keyFile, machines.privateKey, { mode: 0o600 });
    await addSshMachine(page, machine, keyFile);
    await sshNodeReady(page, machine);
    expect(await ping(shell, await podAddress(page, 'anchor'))).toBe('reached');
    await readTruths(page, 'worker-2', /node NotReady for .*none Ready: taken out of Services/);
    await takePictures(page);
  });

  it('heals: the link is whole, and both truths are one', async () => {
    await healAll(page, 2);
    expect(await ping(shell, neighbour)).toBe('reached');
    await shell.close();
  });

  it('leaves nothing behind, on the machine and in Docker', async () => {
    await removeNode(page, 'anchor');
    expect(
      machine.run('ls -A /var/lib/drydock; ls /opt /etc/systemd/system 2>/dev/null | grep -i drydock || true'),
    ).toBe('');
    machines?.dispose();
    expect((await drydock('down', '--name', 'pier', '--delete')).code).toBe(0);
    expect(leftOf(home)).toEqual([]);
  });

  it('complained of nothing', async () => {
    await browser?.close();
    expect(complaints).toEqual([]);
  });

  it('ends its host with the last lab', async () => {
    expect((await drydock('down', '--name', 'first', '--delete')).code).toBe(0);
    await expect.poll(() => isHost(hostPid, home), { timeout: 20_000 }).toBe(false);
  });
});
