import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { EmbeddedEtcd } from '../embedded-etcd.ts';

const context = Context.background();
let path: string;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'drydock-compactor-'));
});
afterEach(() => rmSync(path, { recursive: true, force: true }));

it('gives space back: a store that is overwritten all the time does not grow', async () => {
  const clock = new SteppedClock();
  const retention = { keepMs: 1000, keepRevisions: 100 };
  const etcd = await EmbeddedEtcd.open({ path, clock, logger: silentLogger, retention });
  const sizes: number[] = [];
  const value = Buffer.alloc(2000, 'v');
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        etcd.txn(context, {
          ...{ compare: [], success: [{ type: 'put', key: `/k/${i % 20}`, value }], failure: [] },
          record: `round ${round}`,
        }),
      ),
    );
    await clock.step(1200);
    await etcd.compactionSettled();
    sizes.push(statSync(join(path, 'data.mdb')).size);
  }
  await etcd.close();
  // What is kept is some 400 revisions; written were 4,000.
  expect(sizes[19]).toBeLessThan(2 * (sizes[5] ?? 0));
  expect(sizes[19]).toBeLessThan(4000 * 2000);
}, 30_000);
