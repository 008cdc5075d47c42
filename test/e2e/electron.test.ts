import { spawn, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { _electron, type ElectronApplication, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drydock, temporaryHome } from '../harness/lab.ts';
import { electronProgram, root, skipWithout, xvfbProgram } from '../harness/programs.ts';
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
  let display: ChildProcess;
  let app: ElectronApplication;
  let page: Page;
  let complaints: string[];

  beforeAll(async () => {
    const started = await startDisplay();
    display = started.display;
    app = await _electron.launch({
      executablePath: program.path ?? '',
      args: [root, '--no-sandbox', '--disable-gpu', '--home', home],
      env: { ...environment(), DISPLAY: started.name, XDG_CONFIG_HOME: home },
      timeout: 60_000,
    });
    page = await app.firstWindow();
    complaints = watchConsole(page);
  });
  afterAll(async () => {
    await app.close();
    display.kill();
    rmSync(home, { recursive: true, force: true });
  });

  it('gives its page no way out of the sandbox', async () => {
    expect(await page.evaluate(() => [typeof globalThis.require, typeof globalThis.process, location.origin])).toEqual([
      'undefined',
      'undefined',
      'drydock://app',
    ]);
    const preferences = await app.evaluate(({ BrowserWindow }) => {
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
});

/** A display of its own on a free number. */
function startDisplay(): Promise<{ display: ChildProcess; name: string }> {
  const display = spawn(
    xvfbProgram.path ?? '',
    ['-displayfd', '3', '-screen', '0', '1440x860x24', '-nolisten', 'tcp'],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    },
  );
  return new Promise((resolve, reject) => {
    display.stdio[3]?.once('data', (number: Buffer) => resolve({ display, name: `:${number.toString().trim()}` }));
    display.once('exit', (code) => reject(new Error(`Xvfb ended with ${String(code)}`)));
  });
}

/** Electron must not take itself for Node, as some shells ask it to. */
function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) =>
      value === undefined || key === 'ELECTRON_RUN_AS_NODE' ? [] : [[key, value]],
    ),
  );
}
