import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';

const writer = new URL('./writer.ts', import.meta.url).pathname;
let path: string;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'drydock-kill-'));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

/** Runs the writer until it has acknowledged `count` keys, then kills it. Returns all it acknowledged. */
async function writeAndKill(run: number, count: number): Promise<string[]> {
  const child = spawn(process.execPath, ['--no-warnings', writer, path, String(run)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (text.split('\n').length > count) child.kill('SIGKILL');
  });
  await once(child, 'close');
  return text.split('\n').slice(0, -1);
}

it('has every acknowledged key after kill -9, three times over', async () => {
  const acknowledged: string[] = [];
  for (const [run, count] of [300, 50, 700].entries()) {
    const keys = await writeAndKill(run, count);
    expect(keys.length).toBeGreaterThanOrEqual(count);
    acknowledged.push(...keys);
  }
  const etcd = await EmbeddedEtcd.open({ path, clock: new SteppedClock(), logger: silentLogger });
  const { kvs, revision } = await etcd.range(Context.background(), { key: '\0', rangeEnd: '\0' });
  const values = new Map(kvs.map((kv) => [kv.key, Buffer.from(kv.value).toString()]));
  for (const key of acknowledged) expect(values.get(key)).toBe(key.repeat(20));
  expect(revision).toBe(kvs.length + 1);
  await etcd.close();
}, 60_000);
