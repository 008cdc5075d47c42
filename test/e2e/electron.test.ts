import { rmSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drydock, temporaryHome } from '../harness/lab.ts';
import { electronProgram, skipWithout, xvfbProgram } from '../harness/programs.ts';
import { launchDesktop, runDesktop, type Desktop } from './desktop.ts';
import {
  createCluster,
  deployImpatientWeb,
  killAndWatchPodsMove,
  readKeyInStore,
  typeIntoContainer,
  watchConsole,
} from './scenario.ts';

const program = electronProgram();

describe.skipIf(skipWithout(program, xvfbProgram))('the desktop app, in real Electron', () => {
  const home = temporaryHome();
  let desktop: Desktop | undefined;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    desktop = await launchDesktop(program.path ?? '', home);
    page = await desktop.app.firstWindow();
    complaints = watchConsole(page);
  });
  afterAll(async () => {
    try {
      await desktop?.close();
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });

  it('gives its page no way out of the sandbox', async () => {
    expect(await page.evaluate(() => [typeof globalThis.require, typeof globalThis.process, location.origin])).toEqual([
      'undefined',
      'undefined',
      'drydock://app',
    ]);
    const preferences = await desktop?.app.evaluate(({ BrowserWindow }) => {
      const [window] = BrowserWindow.getAllWindows();
      const contents = window?.webContents as unknown as
        { getLastWebPreferences(): Record<string, unknown> } | undefined;
      const { contextIsolation, nodeIntegration, sandbox } = contents?.getLastWebPreferences() ?? {};
      return { contextIsolation, nodeIntegration, sandbox };
    });
    expect(preferences).toEqual({ contextIsolation: true, nodeIntegration: false, sandbox: true });
  });

  it('creates a cluster and shows three Ready nodes', async () => {
    await page.getByTestId('empty-home').waitFor();
    await createCluster(page, 'lab');
  });

  it('lets the command line see its labs', async () => {
    expect((await drydock(['list', '--home', home])).stdout).toMatch(/lab\s+running\s+embedded/);
  });

  it('deploys, opens a terminal, kills a node and shows its pods move', async () => {
    await deployImpatientWeb(page);
    await typeIntoContainer(page);
    await killAndWatchPodsMove(page, async () => undefined);
  });

  it('reads a key of the store', async () => {
    await readKeyInStore(page);
  });

  it('complained of nothing', () => {
    expect(complaints).toEqual([]);
  });

  it('ends without a word when its window is closed while it loads', async () => {
    const otherHome = temporaryHome();
    try {
      const output = await runDesktop(program.path ?? '', 'closing-app.cjs', otherHome);
      expect(output.stderr).not.toContain('cannot start');
      expect(output.code).toBe(0); // 124 when a box on the screen waited for somebody.
    } finally {
      rmSync(otherHome, { recursive: true, force: true });
    }
  });
});
