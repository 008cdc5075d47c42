import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostFiles } from './host-files.ts';

const files = new HostFiles();
/** `TMPFS_MAGIC` of statfs(2). */
const tmpfsMagic = 0x01021994;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-files-'));
});
afterEach(() => files.remove(folder));

/** Mounting wants root, as a kubelet is. */
const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('skipped: mounts of volumes need root\n');

describe.skipIf(!isRoot)('volumes that are mounted', () => {
  it('lie in memory, no larger than asked, and go with their folder', () => {
    const path = join(folder, 'pod/volumes/cache');
    files.mountMemory(path, 1024 * 1024);
    files.mountMemory(path, 1024 * 1024);
    const { type, blocks, bsize } = statfsSync(path);
    expect([type, blocks * bsize]).toEqual([tmpfsMagic, 1024 * 1024]);
    expect(() => writeFileSync(join(path, 'big'), Buffer.alloc(2 * 1024 * 1024))).toThrow('ENOSPC');
    files.remove(join(folder, 'pod'));
    expect(existsSync(join(folder, 'pod'))).toBe(false);
  });

  it('show a sub-path pinned to what it was when it was opened', () => {
    const [volume, target] = [join(folder, 'volume'), join(folder, 'pinned/0')];
    mkdirSync(join(volume, 'data'), { recursive: true });
    writeFileSync(join(volume, 'data/file'), 'inside');
    expect(files.openSubPath(volume, 'data', target)).toBe(target);
    rmSync(join(volume, 'data'), { recursive: true });
    symlinkSync('/etc', join(volume, 'data'));
    expect(existsSync(join(target, 'passwd'))).toBe(false);
    expect(() => files.openSubPath(volume, 'data', join(folder, 'pinned/1'))).toThrow('not within volume path');
  });

  it('make a missing sub-path, but nothing outside the volume', () => {
    const [volume, outside] = [join(folder, 'volume'), join(folder, 'outside')];
    mkdirSync(volume);
    mkdirSync(outside);
    symlinkSync(outside, join(volume, 'link'));
    files.openSubPath(volume, 'a/b', join(folder, 'pinned/0'));
    expect(statSync(join(volume, 'a/b')).isDirectory()).toBe(true);
    expect(() => files.openSubPath(volume, 'link/new', join(folder, 'pinned/1'))).toThrow('not within volume path');
    expect(existsSync(join(outside, 'new'))).toBe(false);
  });

  it('pin single files, and the new one when the old was replaced', () => {
    const volume = join(folder, 'volume');
    const show = (): string => readFileSync(files.openSubPath(volume, 'key', join(folder, 'pinned/0')), 'utf8');
    files.replaceDirectory(volume, [{ path: 'key', content: Buffer.from('one'), mode: 0o644 }]);
    expect(show()).toBe('one');
    files.replaceDirectory(volume, [{ path: 'key', content: Buffer.from('two'), mode: 0o644 }]);
    expect(readFileSync(join(folder, 'pinned/0'), 'utf8')).toBe('one');
    expect(show()).toBe('two');
  });

  it('belong to the group of the pod, new files too', () => {
    const volume = join(folder, 'volume');
    mkdirSync(volume, { mode: 0o755 });
    writeFileSync(join(volume, 'file'), '', { mode: 0o600 });
    files.setGroup(volume, 3000);
    expect([statSync(volume).gid, statSync(volume).mode & 0o7777]).toEqual([3000, 0o2775]);
    expect([statSync(join(volume, 'file')).gid, statSync(join(volume, 'file')).mode & 0o777]).toEqual([3000, 0o660]);
    writeFileSync(join(volume, 'later'), '');
    expect(statSync(join(volume, 'later')).gid).toBe(3000);
  });
});
