import { spawn, type ChildProcess } from 'node:child_process';
import { _electron, type ElectronApplication } from 'playwright-core';
import { root, xvfbProgram } from '../harness/programs.ts';

/** The desktop app in a real Electron, on a display of its own. Whoever calls closes the one and ends the other. */
export async function launchDesktop(
  electron: string,
  home: string,
): Promise<{ readonly display: ChildProcess; readonly app: ElectronApplication }> {
  const { display, name } = await startDisplay();
  try {
    const app = await _electron.launch({
      executablePath: electron,
      args: [root, '--no-sandbox', '--disable-gpu', '--home', home],
      env: { ...environment(), DISPLAY: name, XDG_CONFIG_HOME: home },
      timeout: 60_000,
    });
    return { display, app };
  } catch (error) {
    display.kill();
    throw error;
  }
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
function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([key, value]) =>
      value === undefined || key === 'ELECTRON_RUN_AS_NODE' ? [] : [[key, value]],
    ),
  );
}
