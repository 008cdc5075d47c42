import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SeededRandom, type Random } from '#base/random';
import type { Told } from './writer.ts';
import { WriterModel } from './writer-model.ts';

const rounds = Number(process.env['DRYDOCK_KILL_ROUNDS'] ?? 200);
/** Stores that are killed side by side. */
const stores = 4;
const cache = new URL('../../../node_modules/.cache/drydock/', import.meta.url).pathname;
const program = join(cache, `etcd-writer-${process.pid}.mjs`);

/** One file starts three times as fast as forty that are TypeScript. */
beforeAll(async () => {
  await build({
    entryPoints: [new URL('./writer.ts', import.meta.url).pathname],
    outfile: program,
    ...{ bundle: true, platform: 'node', format: 'esm', target: 'node22', external: ['lmdb'], logLevel: 'error' },
  });
});
afterAll(() => rmSync(program, { force: true }));

/** Runs the writer until it has told so many lines, then kills it, in the middle of whatever it does. */
async function writeAndKill(path: string, round: number, random: Random, model: WriterModel): Promise<void> {
  const child = spawn(process.execPath, ['--no-warnings', program, path, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = 1 + Math.floor(random.next() * 80);
  let heard = 0;
  let fault: unknown;
  createInterface({ input: child.stdout }).on('line', (line) => {
    // The kill may have cut the last one.
    if (!line.endsWith('}')) return;
    try {
      model.heed(JSON.parse(line) as Told);
    } catch (error) {
      fault ??= error;
    }
    if (++heard === lines) child.kill('SIGKILL');
  });
  await once(child, 'close');
  if (fault !== undefined) throw fault instanceof Error ? fault : new Error(JSON.stringify(fault));
  expect(heard, `the writer ended by itself in round ${round}`).toBeGreaterThanOrEqual(lines);
}

it(`loses nothing that was acknowledged, tears nothing and uses no revision twice in ${rounds} rounds of kill -9`, async () => {
  const models = await Promise.all(
    Array.from({ length: stores }, async (_, store) => {
      const path = mkdtempSync(join(tmpdir(), 'drydock-kill-'));
      const model = new WriterModel();
      const random = new SeededRandom(store + 1);
      try {
        // What the last kill left is looked at in one more round.
        for (let round = store; round < rounds + stores; round += stores) {
          await writeAndKill(path, round, random, model);
        }
      } finally {
        rmSync(path, { recursive: true, force: true });
      }
      return model;
    }),
  );
  const sum = (of: (model: WriterModel) => number): number => models.reduce((total, model) => total + of(model), 0);
  expect(sum((model) => model.acknowledged)).toBeGreaterThan(rounds * 5);
  expect(sum((model) => model.defragmented)).toBeGreaterThan(rounds / 10);
}, 240_000);
