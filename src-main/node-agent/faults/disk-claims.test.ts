import { mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Context } from '#base/context';
import { claimDisk, leftByClaims } from './disk-claims.ts';

const mebi = 1024 ** 2;

describe('claims of a disk', () => {
  let root: string;
  let claims: string;
  let processes: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'drydock-claims-'));
    claims = join(root, 'claims');
    processes = join(root, 'proc');
    fault('41');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function fault(pid: string): void {
    mkdirSync(join(processes, pid), { recursive: true });
    writeFileSync(join(processes, pid, 'cmdline'), ['node', 'node-agent.cjs', 'fault', '{}', ''].join('\0'));
  }
  const claim = (mark: string, freePercent: number) =>
    claimDisk({ kind: 'disk', freePercent }, { mark, disk: root, claims });
  const left = (): number => leftByClaims(claims, processes);

  it('leaves a share of at most 10 GiB, and takes no block of the disk', async () => {
    const { blocks, bsize, bavail } = statfsSync(root);
    expect(left()).toBe(Infinity);
    const applied = await claim('41', 1);
    expect(left()).toBe(Math.floor(Math.min(blocks * bsize, 10_240 * mebi) / 100));
    expect(statfsSync(root).bavail).toBeGreaterThan(bavail - (100 * mebi) / bsize);
    await applied.heal(Context.background());
    expect([left(), readdirSync(claims)]).toEqual([Infinity, []]);
  });

  it('counts the least of several, and none of a process that is gone', async () => {
    fault('42');
    await claim('41', 2);
    const less = await claim('42', 1);
    const both = left();
    await less.heal(Context.background());
    expect(left()).toBe(both * 2);
    rmSync(join(processes, '41'), { recursive: true });
    expect(left()).toBe(Infinity);
  });

  it('says so when that much is not free', async () => {
    const { blocks, bsize, bavail } = statfsSync(root);
    const share = (100 * bavail * bsize) / Math.min(blocks * bsize, 10_240 * mebi);
    await expect(claim('41', share + 1)).rejects.toThrow(/of the disk are free already/);
    expect(left()).toBe(Infinity);
  });
});
