import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { ImageError } from './image-error.ts';

/** What a build is doing, for a person. `fraction` is of its whole, 0 to 1. */
export interface BuildProgress {
  readonly text: string;
  readonly fraction: number;
}

export interface DebianRootFsSpec {
  /** Debian 12's names; what they depend on comes along. */
  readonly packages: readonly string[];
  /** Shell lines, run as root with the new root as working folder, after the packages are there. */
  readonly setUp?: readonly string[];
}

/**
 * What every root file system gets, by name: with `usr-is-merged` in place of `usrmerge`, no package asks for perl.
 */
const basePackages = [
  'base-files',
  'base-passwd',
  'bash',
  'ca-certificates',
  'coreutils',
  'dash',
  'debianutils',
  'findutils',
  'grep',
  'gzip',
  'hostname',
  'libc-bin',
  'mawk',
  'ncurses-base',
  'sed',
  'tar',
  'usr-is-merged',
];

/** Top folders are links into `/usr`, as Debian 12 has them; packages are unpacked through them. */
const mergeUsr = 'for d in bin sbin lib lib64; do mkdir -p "$1/usr/$d"; ln -s "usr/$d" "$1/$d"; done';

/** What the packages' own scripts would have done, as far as a container needs it. */
const baseSetUp = [
  'rm -rf usr/share/doc usr/share/man usr/share/locale usr/share/info usr/share/lintian',
  'install -d -m 1777 tmp var/tmp',
  'install -d -m 700 root',
  'mkdir -p run mnt etc/ssl/certs',
  '[ -e var/run ] || ln -s /run var/run',
  '[ -e var/lock ] || ln -s /run/lock var/lock',
  'cp usr/share/base-passwd/passwd.master etc/passwd',
  'cp usr/share/base-passwd/group.master etc/group',
  'cp usr/share/libc-bin/nsswitch.conf etc/nsswitch.conf',
  '[ -e usr/bin/awk ] || ln -s mawk usr/bin/awk',
  '[ -e usr/bin/sh ] || ln -s dash usr/bin/sh',
  'cat usr/share/ca-certificates/mozilla/*.crt >etc/ssl/certs/ca-certificates.crt',
  'chroot . ldconfig',
];

/** Everything that the result depends on but the mirror's packages, for a cache's key. */
export function debianRootFsArguments(spec: DebianRootFsSpec): readonly string[] {
  const setUp = ['set -e', 'cd "$1"', ...baseSetUp, ...(spec.setUp ?? [])].join('\n');
  return [
    // Unpacks and runs no package's scripts: half the time, and no half-configured system when a script minds the sandbox.
    '--variant=extract',
    '--format=tar',
    `--include=${[...basePackages, ...spec.packages].join(',')}`,
    '--aptopt=Acquire::Languages "none"',
    `--setup-hook=${mergeUsr}`,
    `--extract-hook=${setUp}`,
    'bookworm',
    '-',
  ];
}

export interface DebianRootFs {
  /** Ends early when the build fails: look at `done` before using what was read. */
  readonly tar: Readable;
  /** Rejects with ImageError `MissingProgram` or `BuildFailed`, or CancelledError. */
  readonly done: Promise<void>;
}

/** A root file system from Debian's packages, through `mmdebstrap` and no image registry: about 10 s on two cores. */
export function debianRootFs(
  context: Context,
  spec: DebianRootFsSpec,
  onProgress: (progress: BuildProgress) => void,
): DebianRootFs {
  const child = spawn('mmdebstrap', debianRootFsArguments(spec), { stdio: ['ignore', 'pipe', 'pipe'] });
  const end = context.onEnd(() => child.kill('SIGTERM'));
  const said: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n')) {
      if (line === '') continue;
      said.push(line);
      const stage = stages.find(([start]) => line.startsWith(start));
      if (stage) onProgress({ text: stage[1], fraction: stage[2] });
    }
  });
  const done = new Promise<void>((resolve, reject) => {
    child.once('error', (error) => reject(missing(error)));
    child.once('close', (code) => {
      end.dispose();
      if (code === 0) resolve();
      else if (context.ended) reject(new CancelledError(context.endedBy ?? 'cancelled'));
      else reject(failed(said, code));
    });
  });
  return { tar: child.stdout, done };
}

type Stage = readonly [start: string, text: string, fraction: number];

/** `mmdebstrap`'s own words, with shares of the time as measured. */
const stages: readonly Stage[] = [
  ['I: running apt-get update', 'Reading the package lists', 0.02],
  ['I: downloading packages', 'Downloading Debian packages', 0.25],
  ['I: extracting archives', 'Unpacking packages', 0.45],
  ['I: running --extract-hook', 'Setting up packages', 0.75],
  ['I: creating tarball', 'Packing the root file system', 0.85],
];

function missing(cause: Error): ImageError {
  return new ImageError(
    'MissingProgram',
    'mmdebstrap is not on this computer: install it ("sudo apt-get install mmdebstrap")',
    { cause },
  );
}

function failed(said: readonly string[], code: number | null): ImageError {
  const reason = said.filter((line) => line.startsWith('E:')).at(-1) ?? said.at(-1) ?? `exit code ${code ?? ''}`;
  return new ImageError('BuildFailed', `mmdebstrap failed: ${reason.split('\n')[0] ?? ''}`);
}
