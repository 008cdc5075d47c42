import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { runDrydock } from './run.ts';

const installation = { outFolder: join(__dirname, '..') };

/**
 * `npm start`: the desktop app; where there is no display or no Electron, one line that says so and the headless host.
 */
async function start(args: readonly string[]): Promise<number> {
  const root = join(__dirname, '../..');
  const reason = displayMissing();
  const electron = reason ? undefined : electronBinary(root);
  if (reason === undefined && electron !== undefined) return runElectron(electron, root, args);
  process.stderr.write(`drydock: ${reason ?? 'no Electron binary'}: starting the headless host instead\n`);
  return runDrydock(['up', ...args], installation);
}

function displayMissing(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  return process.env['DISPLAY'] || process.env['WAYLAND_DISPLAY'] ? undefined : 'no display';
}

/** ELECTRON_OVERRIDE_DIST_PATH, the binary that npm's electron package downloaded, or one downloaded now. */
function electronBinary(root: string): string | undefined {
  const names: Readonly<Record<string, string>> = {
    win32: 'electron.exe',
    darwin: 'Electron.app/Contents/MacOS/Electron',
  };
  const name = names[process.platform] ?? 'electron';
  const override = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
  if (override) return existsSync(join(override, name)) ? join(override, name) : undefined;
  const folder = join(root, 'node_modules/electron');
  if (!existsSync(join(folder, 'install.js'))) return undefined;
  const binary = join(folder, 'dist', name);
  if (!existsSync(binary)) {
    process.stderr.write('drydock: downloading Electron, once\n');
    spawnSync(process.execPath, [join(folder, 'install.js')], {
      stdio: ['ignore', 'ignore', 'ignore'],
      timeout: 300_000,
    });
  }
  return existsSync(binary) ? binary : undefined;
}

function runElectron(binary: string, root: string, args: readonly string[]): Promise<number> {
  const asRoot = process.platform === 'linux' && process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return new Promise((resolve) => {
    const child = spawn(binary, [root, ...asRoot, ...args], { stdio: 'inherit' });
    child.on('exit', (code) => resolve(code ?? 1));
    child.on('error', (error) => {
      process.stderr.write(`drydock: Electron did not start (${error.message}): starting the headless host instead\n`);
      resolve(runDrydock(['up', ...args], installation));
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  });
}

void start(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
