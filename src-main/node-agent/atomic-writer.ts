import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { VolumeFile } from '#kubelet/volume-files';

/**
 * Shows a new set of files to readers all at once (pkg/volume/util/atomic_writer.go, release 1.36):
 *
 * ```
 * volume/..version_x1y2z3/config.yaml    the files of one version
 * volume/..data -> ..version_x1y2z3      switched by one rename
 * volume/config.yaml -> ..data/config.yaml   what users see; made once for each name
 * ```
 *
 * With `gid` everything is given to that group, which may read what the owner may. Nothing is written when nothing changed.
 */
export function writeAtomically(target: string, files: readonly VolumeFile[], gid?: number): void {
  const data = join(target, '..data');
  const before = existsSync(data) ? readlinkSync(data) : undefined;
  for (const { path } of files) requireRelative(path);
  if (before !== undefined && isSame(join(target, before), files, gid)) return;
  const version = mkdtempSync(join(target, '..version_'));
  chmodSync(version, 0o755);
  for (const file of files) writeVersioned(version, file, gid);
  const next = join(target, '..data_tmp');
  rmSync(next, { force: true });
  symlinkSync(version.slice(target.length + 1), next);
  renameSync(next, data);
  linkNames(target, files);
  if (before !== undefined) rmSync(join(target, before), { recursive: true, force: true });
}

function requireRelative(path: string): void {
  const parts = path.split('/');
  if (path.startsWith('/') || parts.includes('..') || (parts[0] ?? '').startsWith('..')) {
    throw new Error(`invalid path: ${path} must be relative and not contain ".."`);
  }
}

function writeVersioned(version: string, file: VolumeFile, gid: number | undefined): void {
  const path = join(version, file.path);
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  writeFileSync(path, file.content);
  chmodSync(path, modeOf(file, gid));
  if (file.uid !== undefined || gid !== undefined) chownSync(path, file.uid ?? 0, gid ?? 0);
}

/** A group that is to use the volume may read what the owner may. */
function modeOf({ mode }: VolumeFile, gid: number | undefined): number {
  return gid === undefined ? mode : mode | ((mode & 0o500) >> 3);
}

function isSame(version: string, files: readonly VolumeFile[], gid: number | undefined): boolean {
  const there = filesIn(version, '');
  if (there.length !== files.length) return false;
  return files.every((file) => {
    const path = join(version, file.path);
    if (!existsSync(path)) return false;
    const stats = lstatSync(path);
    const owned = stats.uid === (file.uid ?? 0) && (gid === undefined || stats.gid === gid);
    return owned && (stats.mode & 0o7777) === modeOf(file, gid) && readFileSync(path).equals(file.content);
  });
}

function filesIn(root: string, below: string): readonly string[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesIn(root, join(below, entry.name)) : [join(below, entry.name)],
  );
}

/** The first parts of the names users see are links into `..data`; those of names that are gone are removed. */
function linkNames(target: string, files: readonly VolumeFile[]): void {
  const wanted = new Set(files.map(({ path }) => path.split('/')[0] ?? ''));
  for (const name of wanted) {
    const link = join(target, name);
    if (!lstatSync(link, { throwIfNoEntry: false })) symlinkSync(join('..data', name), link);
  }
  for (const name of readdirSync(target)) {
    if (!name.startsWith('..') && !wanted.has(name)) rmSync(join(target, name), { recursive: true, force: true });
  }
}
