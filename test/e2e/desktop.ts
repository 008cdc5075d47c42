import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { _electron, type ElectronApplication } from 'playwright-core';
import { run, type Output } from '../harness/lab.ts';
import { xvfbProgram } from '../harness/programs.ts';

/** The desktop app in a real Electron, on a display of its own. */
export interface Desktop {
  readonly app: ElectronApplication;
  /** Quits the app as a person does, and ends its display. */
  close(): Promise<void>;
}

/** Starts the app; it leaves nothing behind when it fails. Playwright may not open `root` itself: see held-app.cjs. */
export async function launchDesktop(electron: string, home: string): Promise<Desktop> {
  const { display, name } = await startDisplay();
  try {
    const app = await _electron.launch({
      executablePath: electron,
      args: flags('held-app.cjs', home),
      env: environment(name, home),
      timeout: 60_000,
    });
    return { app, close: () => app.close().finally(() => display.kill()) };
  } catch (error) {
    display.kill();
    throw error;
  }
}

/** Runs an app that ends by itself, without Playwright; its code is 124 when it did not. */
export async function runDesktop(electron: string, entry: string, home: string): Promise<Output> {
  const { display, name } = await startDisplay();
  try {
    return await run(electron, flags(entry, home), { env: environment(name, home), timeoutMs: 60_000 });
  } finally {
    display.kill();
  }
}

function flags(entry: string, home: string): string[] {
  return [join(import.meta.dirname, entry), '--no-sandbox', '--disable-gpu', '--home', home];
}

/** A display on a free number. */
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
function environment(display: string, home: string): Record<string, string> {
  const inherited = Object.entries(process.env).flatMap(([key, value]) =>
    value === undefined || key === 'ELECTRON_RUN_AS_NODE' ? [] : [[key, value]],
  );
  return { ...Object.fromEntries(inherited), DISPLAY: display, XDG_CONFIG_HOME: home };
}
