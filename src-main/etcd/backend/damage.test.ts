import fc from 'fast-check';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { EtcdError, revision as revisionOf, type Operation } from '../client.ts';
import { EmbeddedEtcd } from '../embedded-etcd.ts';
import { dataFile } from './environment.ts';

const context = Context.background();
const everything = { key: '\0', rangeEnd: '\0' };

/** Small values, values on pages of their own, records, leases, overwritten and deleted keys. */
async function write(etcd: EmbeddedEtcd): Promise<void> {
  const { id } = await etcd.leaseGrant(context, 1000);
  const values = [10, 300, 3000, 9000];
  for (let i = 0; i < 120; i++) {
    const put: Operation = {
      type: 'put',
      key: `/registry/${i % 30}`,
      value: Buffer.alloc(values[i % 4] ?? 0, `${i} `),
      ...(i % 9 === 0 ? { lease: id } : {}),
    };
    const also: Operation = { type: 'delete', key: `/registry/${(i + 15) % 30}` };
    await etcd.txn(context, { compare: [], success: i % 7 === 0 ? [put, also] : [put], failure: [], record: `${i}` });
  }
}

/** All that can be read, now and at every revision. */
async function readAll(etcd: EmbeddedEtcd): Promise<unknown> {
  const now = await etcd.range(context, everything);
  const kvs: unknown[] = [now.revision];
  for await (const { events, revision } of etcd.watch(context, { ...everything, startRevision: revisionOf(2) })
    .responses) {
    kvs.push(...events);
    if (revision >= now.revision) break;
  }
  return [now.kvs, kvs];
}

describe('a data file that is damaged', () => {
  const root = mkdtempSync(join(tmpdir(), 'drydock-damage-'));
  let whole: Buffer;
  let right: unknown;
  const open = (path: string): Promise<EmbeddedEtcd> =>
    EmbeddedEtcd.open({ path, clock: new SteppedClock(), logger: silentLogger, retention: 'none' });

  beforeAll(async () => {
    const etcd = await open(join(root, 'whole'));
    await write(etcd);
    right = await readAll(etcd);
    await etcd.close();
    whole = readFileSync(dataFile(join(root, 'whole')));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  let attempts = 0;
  /** Writes the file, reads what it gives, and says what that was. */
  async function attempt(bytes: Buffer): Promise<'right' | 'refused'> {
    const path = join(root, `damaged-${++attempts}`);
    mkdirSync(path);
    writeFileSync(dataFile(path), bytes);
    let etcd: EmbeddedEtcd | undefined;
    try {
      etcd = await open(path);
      // Damage where nothing is kept, as in free pages, changes nothing that is read.
      expect(await readAll(etcd)).toEqual(right);
      return 'right';
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      expect(error).toMatchObject({ code: 'CORRUPT', message: expect.stringContaining(dataFile(path)) as string });
      expect(error.message).not.toContain('\n');
      if (!etcd) expect(readFileSync(dataFile(path)).equals(bytes)).toBe(true);
      return 'refused';
    } finally {
      await etcd?.close();
      rmSync(path, { recursive: true });
    }
  }

  it('in any byte is named in one line or changes nothing that is read', async () => {
    const outcomes = { right: 0, refused: 0 };
    const place = fc.oneof(fc.integer({ min: 0, max: 8191 }), fc.integer({ min: 8192, max: whole.length - 1 }));
    await fc.assert(
      fc.asyncProperty(
        place,
        fc.integer({ min: 1, max: 255 }),
        fc.integer({ min: 1, max: 64 }),
        async (at, mask, run) => {
          const bytes = Buffer.from(whole);
          for (let i = at; i < Math.min(at + run, bytes.length); i++) bytes.writeUInt8(bytes.readUInt8(i) ^ mask, i);
          outcomes[await attempt(bytes)]++;
        },
      ),
      { seed: 5, numRuns: 50 },
    );
    expect(outcomes.refused).toBeGreaterThan(10);
  }, 60_000);

  it('in a meta page is named, or changes nothing: never the state before the last commit', async () => {
    // Page size, kind of tree, last page, and the number of the transaction, each in both pages.
    for (const at of [49, 52, 144, 148, 152, 153, 159]) {
      for (const page of [0, 4096]) {
        const bytes = Buffer.from(whole);
        bytes.writeUInt8(bytes.readUInt8(page + at) ^ 0x80, page + at);
        await attempt(bytes);
      }
    }
  }, 60_000);

  it('cut anywhere is named in one line or had nothing behind the cut', async () => {
    const outcomes = { right: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: whole.length - 1 }), async (length) => {
        outcomes[await attempt(Buffer.from(whole.subarray(0, length)))]++;
      }),
      { seed: 6, numRuns: 60 },
    );
    expect(outcomes.refused).toBeGreaterThan(20);
  }, 60_000);
});
