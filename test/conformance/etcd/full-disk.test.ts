import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { EtcdError, revision, type Operation, type TxnRequest } from '#etcd/client';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';

/** A disk of its own, which the test fills: only root can have one. */
const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
if (!isRoot && process.env['CI']) throw new Error('a full disk is tested on a tmpfs, which only root can mount');
if (!isRoot) process.stderr.write('skipped: a full disk is tested on a tmpfs, which only root can mount\n');

const diskBytes = 48 * 2 ** 20;
const context = Context.background();
const put = (key: string, bytes = 4000): Operation => ({ type: 'put', key, value: Buffer.alloc(bytes, key) });
const only = (...success: Operation[]): TxnRequest => ({ compare: [], success, failure: [] });
const everything = { key: '\0', rangeEnd: '\0' };

describe.skipIf(!isRoot)('a full disk', () => {
  let disk: string;
  let etcd: EmbeddedEtcd;
  const open = async (): Promise<EmbeddedEtcd> => {
    const path = join(disk, 'etcd');
    return EmbeddedEtcd.open({ path, clock: new SteppedClock(), logger: silentLogger, retention: 'none' });
  };
  /** What somebody else keeps on the disk. */
  const ballast = (): string => join(disk, 'ballast');
  const free = (): number => statfsSync(disk).bavail * statfsSync(disk).bsize;
  const dataBytes = (): number => statSync(join(disk, 'etcd', 'data.mdb')).size;

  beforeEach(async () => {
    disk = mkdtempSync(join(tmpdir(), 'drydock-disk-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk]);
    etcd = await open();
  });

  afterEach(async () => {
    await etcd.close();
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true });
  });

  /** Puts until one is refused; returns how many were taken. */
  async function fill(prefix: string): Promise<number> {
    for (let taken = 0; taken < 20_000; taken++) {
      try {
        await etcd.txn(context, only(put(`${prefix}${taken}`)));
      } catch (error) {
        expect(error).toBeInstanceOf(EtcdError);
        expect(error).toMatchObject({ code: 'NO_SPACE' });
        return taken;
      }
    }
    throw new Error('the disk is never full');
  }

  it('raises the alarm, keeps reads and deletions, and is over when there is room', async () => {
    const taken = await fill('/a/');
    expect(etcd.space.raised).toBe(true);
    await expect(etcd.txn(context, only(put('/b')))).rejects.toThrow('etcdserver: mvcc: database space exceeded');
    await expect(etcd.leaseGrant(context, 60)).rejects.toMatchObject({ code: 'NO_SPACE' });
    expect((await etcd.range(context, everything)).count).toBe(taken);
    const gone = await etcd.txn(context, only({ type: 'delete', key: '/a/', rangeEnd: '/a/95' }));
    expect(gone.succeeded).toBe(true);
    const { revision: now } = await etcd.range(context, everything);
    await etcd.compact(context, now, { physical: true });
    // The file has room inside now, and nobody had to disarm anything.
    expect(etcd.space.raised).toBe(false);
    await etcd.txn(context, only(put('/b')));
    const before = dataBytes();
    const freeBefore = free();
    await etcd.maintenance.defragment(context);
    expect(dataBytes()).toBeLessThan(before);
    expect(free()).toBeGreaterThan(freeBefore);
  });

  it('that others fill takes nothing from what was acknowledged', async () => {
    const keys = Array.from({ length: 50 }, (_, i) => `/old/${i}`);
    await Promise.all(keys.map((key) => etcd.txn(context, only(put(key)))));
    writeFileSync(ballast(), '');
    const room = free();
    writeFileSync(ballast(), Buffer.alloc(room - (room % 4096)));
    expect(free()).toBeLessThan(8192);
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, (_, i) => etcd.txn(context, only(put(`/new/${i}`, 100_000)))),
    );
    const written = results.flatMap((one, i) => (one.status === 'fulfilled' ? [`/new/${i}`] : []));
    expect(written.length).toBeLessThan(200);
    expect(etcd.space.raised).toBe(true);
    await etcd.close();
    etcd = await open();
    const { kvs } = await etcd.range(context, everything);
    expect(kvs.map(({ key }) => key)).toEqual([...keys, ...written].sort());
    truncateSync(ballast(), 0);
    const { revision: next } = await etcd.txn(context, only(put('/after')));
    expect(next).toBe(revision(keys.length + written.length + 2));
    expect(etcd.space.raised).toBe(false);
  });

  it('stops a defragmentation, which leaves the store as it was', async () => {
    await fill('/a/');
    const { count } = await etcd.range(context, { ...everything, countOnly: true });
    await expect(etcd.maintenance.defragment(context)).rejects.toMatchObject({ code: 'NO_SPACE' });
    expect((await etcd.range(context, everything)).count).toBe(count);
    await etcd.close();
    etcd = await open();
    expect((await etcd.range(context, everything)).count).toBe(count);
  });
});
