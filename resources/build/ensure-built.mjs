// Builds when the bundles are missing or older than the sources, so that `npm start` and `npm run drydock` always run what
// is in the checkout. Takes a few milliseconds when there is nothing to do. An installed Drydock has no sources.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const outputs = [
  'out/main/drydock.cjs',
  'out/main/start.cjs',
  'out/main/index.cjs',
  'out/agent/node-agent.cjs',
  'out/preload/index.cjs',
  'out/renderer/index.html',
];
const inputs = ['src-main', 'src-renderer', 'resources/build', 'electron.vite.config.ts', 'package.json'];

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  let latest = 0;
  for (const name of readdirSync(path)) {
    if (name === 'gen' || name.endsWith('.test.ts')) continue;
    latest = Math.max(latest, newest(join(path, name)));
  }
  return latest;
}

const oldestOutput = Math.min(
  ...outputs.map((path) => (existsSync(join(root, path)) ? statSync(join(root, path)).mtimeMs : 0)),
);
if (existsSync(join(root, 'src-main')) && Math.max(...inputs.map((path) => newest(join(root, path)))) > oldestOutput) {
  process.stderr.write('drydock: building\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const built = spawnSync(npm, ['run', '--silent', 'build'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (built.status !== 0) process.exit(built.status ?? 1);
}
