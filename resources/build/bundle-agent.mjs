// Bundles src-main/node-agent.ts with everything it imports into out/agent/node-agent.cjs: one file that runs on a worker with
// nothing but Debian 12's Node 18.
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
mkdirSync(join(root, 'out/agent'), { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: ['src-main/node-agent.ts'],
  outfile: 'out/agent/node-agent.cjs',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node18.15',
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
});
