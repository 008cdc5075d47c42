import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { FileKind, VolumeFile, VolumeFiles } from '#kubelet/volume-files';
import { writeAtomically } from './atomic-writer.ts';

/** `O_PATH`: names a file without opening it, so that a FIFO or a device cannot block us. */
const pathOnly = 0o10000000;

/** {@link VolumeFiles} on the file system of this machine (pkg/volume and pkg/util/subpath, release 1.36). */
export class HostFiles implements VolumeFiles {
  makeDirectory(path: string, mode?: number): void {
    if (existsSync(path)) return;
    mkdirSync(path, { recursive: true });
    if (mode !== undefined) chmodSync(path, mode);
  }

  writeFile(path: string, content: Uint8Array, mode: number): void {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    chmodSync(path, mode);
  }

  readFile(path: string): Uint8Array | undefined {
    return existsSync(path) ? readFileSync(path) : undefined;
  }

  exists(path: string): FileKind | undefined {
    return existsSync(path) ? kindOf(statSync(path)) : undefined;
  }

  list(path: string): readonly string[] {
    return existsSync(path) ? readdirSync(path) : [];
  }

  replaceDirectory(path: string, files: readonly VolumeFile[], gid?: number): void {
    this.makeDirectory(path, 0o755);
    writeAtomically(path, files, gid);
  }

  mountMemory(path: string, sizeBytes?: number): void {
    if (mountPointsIn(path).includes(path)) return;
    this.makeDirectory(path);
    const size = sizeBytes === undefined ? '' : `,size=${sizeBytes}`;
    run('mount', ['-t', 'tmpfs', '-o', `rw,mode=0777${size}`, 'tmpfs', path]);
  }

  setGroup(path: string, gid: number): void {
    const stats = lstatSync(path);
    lchownSync(path, stats.uid, gid);
    if (stats.isSymbolicLink()) return;
    chmodSync(path, (stats.mode & 0o7777) | (stats.isDirectory() ? 0o2770 : 0o660));
    if (stats.isDirectory()) for (const name of readdirSync(path)) this.setGroup(join(path, name), gid);
  }

  openSubPath(volume: string, subPath: string, mountPoint: string): string {
    const root = realpathSync(volume);
    const wanted = join(root, subPath);
    makeInside(root, wanted);
    const handle = openSync(realpathSync(wanted), pathOnly);
    try {
      // What was opened is what counts, whatever the links say by now.
      const real = readlinkSync(`/proc/self/fd/${handle}`);
      if (!isInside(root, real)) throw new Error(`subpath ${JSON.stringify(subPath)} not within volume path ${volume}`);
      if (isMountOf(mountPoint, real)) return mountPoint;
      prepareMountPoint(mountPoint, lstatSync(real).isDirectory());
      run('mount', ['--no-canonicalize', '--bind', `/proc/${process.pid}/fd/${handle}`, mountPoint]);
      return mountPoint;
    } finally {
      closeSync(handle);
    }
  }

  remove(path: string): void {
    for (const mounted of mountPointsIn(path)) unmount(mounted);
    rmSync(path, { recursive: true, force: true });
  }
}

function kindOf(stats: Stats): FileKind {
  if (stats.isDirectory()) return 'directory';
  if (stats.isSocket()) return 'socket';
  if (stats.isCharacterDevice()) return 'char-device';
  return stats.isBlockDevice() ? 'block-device' : 'file';
}

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === '' || (way !== '..' && !way.startsWith('../') && !way.startsWith('/'));
}

/** Makes the directories of `wanted` that are missing, and refuses to make any outside `root`. */
function makeInside(root: string, wanted: string): void {
  if (existsSync(wanted)) return;
  const parent = dirname(wanted);
  if (isInside(root, parent) && parent !== root) makeInside(root, parent);
  const real = realpathSync(parent);
  if (!isInside(root, real)) throw new Error(`subpath ${JSON.stringify(wanted)} not within volume path ${root}`);
  mkdirSync(join(real, wanted.slice(parent.length + 1)));
  const { uid, gid, mode } = statSync(real);
  chownSync(wanted, uid, gid);
  chmodSync(wanted, mode & 0o7777);
}

/** Whether `mountPoint` shows `real` already. A file that was replaced since is another one. */
function isMountOf(mountPoint: string, real: string): boolean {
  if (!mountPointsIn(mountPoint).includes(mountPoint)) return false;
  const [shown, wanted] = [statSync(mountPoint), statSync(real)];
  return shown.dev === wanted.dev && shown.ino === wanted.ino;
}

function prepareMountPoint(mountPoint: string, isDirectory: boolean): void {
  for (const mounted of mountPointsIn(mountPoint)) unmount(mounted);
  rmSync(mountPoint, { recursive: true, force: true });
  mkdirSync(isDirectory ? mountPoint : dirname(mountPoint), { recursive: true });
  if (!isDirectory) writeFileSync(mountPoint, '');
}

function unmount(path: string): void {
  run('umount', ['--lazy', '--no-canonicalize', path]);
}

/** Mount points at or below `path`, deepest first. */
function mountPointsIn(path: string): readonly string[] {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_all, octal: string) =>
        String.fromCharCode(parseInt(octal, 8)),
      ),
    );
  return points.filter((point) => point === path || point.startsWith(`${path}/`)).reverse();
}

function run(program: string, args: readonly string[]): void {
  try {
    execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    const { stderr } = error as { readonly stderr?: string };
    throw new Error(`${program} ${args.join(' ')}: ${stderr?.trim() || 'failed'}`, { cause: error });
  }
}
