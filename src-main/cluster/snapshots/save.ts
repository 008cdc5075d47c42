import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
} from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';
import { RealClock, type Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { copyClosedStore, storeFile } from '#etcd/closed-store';
import { ClusterError } from '../errors.ts';
import type { LabConfig } from '../lab-config.ts';
import type { LabStep, RunningLab } from '../lab-view.ts';
import { Steps } from '../steps.ts';
import { encodeManifest, sha256, type SnapshotEntry, type SnapshotManifest } from './manifest.ts';

export interface SaveOptions {
  readonly config: LabConfig;
  /** The lab's. */
  readonly folder: string;
  /** Where to: a path that is free. */
  readonly file: string;
  /** Of this Drydock. */
  readonly version: string;
  readonly clock: Clock;
  /** The lab, when it runs. */
  readonly running: Pick<RunningLab, 'store'> | undefined;
  readonly onSteps: (steps: readonly LabStep[]) => void;
}

/** Something to be written, which is in memory or in a file that nobody changes. */
type Content = { readonly path: string; readonly bytes: Buffer } | { readonly path: string; readonly file: string };

/**
 * Writes a whole lab into one file (a tar of mode 0600): its configuration, its certificates and private keys, and its store
 * with all history. Passwords of SSH machines are left out. The file is there whole or not at all. Throws ClusterError or
 * EtcdError.
 */
export async function saveSnapshot(context: Context, options: SaveOptions): Promise<SnapshotManifest> {
  const { file, onSteps } = options;
  checkTarget(file);
  const copy = 'Copying the store';
  const write = `Writing ${basename(file)}`;
  const steps = new Steps([copy, write], new RealClock(), onSteps);
  // Beside the file: a disk that cannot take both says so before anything else is done.
  const work = `${file}.saving`;
  try {
    await rm(work, { recursive: true, force: true });
    mkdirSync(work, { mode: 0o700 });
    await steps.run(copy, () => copyStore(context, options, join(work, 'etcd')));
    return await steps.run(write, async (report) => {
      const contents = contentsOf(options, storeFile(join(work, 'etcd')));
      const manifest = await describe(options, contents);
      const whole = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
      const onBytes = (done: number): void => report({ text: write, fraction: whole === 0 ? 1 : done / whole });
      await writeTar(context, join(work, 'snapshot'), manifest, contents, onBytes);
      await rename(join(work, 'snapshot'), file);
      return manifest;
    });
  } catch (error) {
    throw isSystemError(error)
      ? new ClusterError('INVALID', `${file} cannot be written: ${messageOf(error)}`, { cause: error })
      : error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function copyStore(context: Context, { config, running, folder }: SaveOptions, target: string): Promise<void> {
  const path = join(folder, 'etcd');
  if (running?.store.copyTo) await running.store.copyTo(context, target);
  else if (!running && existsSync(storeFile(path))) await copyClosedStore(path, target);
  else {
    throw new ClusterError(
      'UNSUPPORTED',
      `lab ${config.name} has no embedded store; what a real etcd keeps is saved with 'etcdctl snapshot save'`,
    );
  }
}

function checkTarget(file: string): void {
  if (existsSync(file)) throw new ClusterError('INVALID', `${file} exists; name a file that is not there yet`);
  if (!existsSync(dirname(file))) throw new ClusterError('INVALID', `there is no folder ${dirname(file)}`);
}

function contentsOf({ config, folder }: SaveOptions, store: string): Content[] {
  const pki = join(folder, 'pki');
  const names = existsSync(pki) ? readdirSync(pki, { withFileTypes: true }).filter((one) => one.isFile()) : [];
  return [
    { path: 'lab.json', bytes: Buffer.from(JSON.stringify(config)) },
    // What begins with a dot is a file on its way to its name.
    ...names
      .filter(({ name }) => !name.startsWith('.'))
      .map(({ name }) => ({ path: `pki/${name}`, bytes: readFileSync(join(pki, name)) })),
    { path: 'etcd/data.mdb', file: store },
  ];
}

async function describe(options: SaveOptions, contents: readonly Content[]): Promise<SnapshotManifest> {
  const { config, version, clock } = options;
  const files: SnapshotEntry[] = [];
  for (const content of contents) {
    const { path } = content;
    if ('bytes' in content) files.push({ path, bytes: content.bytes.length, sha256: sha256(content.bytes) });
    else files.push({ path, bytes: statSync(content.file).size, sha256: await sha256OfFile(content.file) });
  }
  const { name: lab, driver, masters, workers } = config;
  return { version, lab, driver, masters, workers: workers.length, createdAtMs: clock.now(), files };
}

async function writeTar(
  context: Context,
  target: string,
  manifest: SnapshotManifest,
  contents: readonly Content[],
  onBytes: (done: number) => void,
): Promise<void> {
  const tar = pack();
  const written = pipeline(tar, createWriteStream(target, { flags: 'wx', mode: 0o600, flush: true } as object), {
    signal: context.signal,
  });
  written.catch(() => undefined);
  const text = encodeManifest(manifest);
  const mtime = new Date(manifest.createdAtMs);
  const add = (name: string, size: number, source: Readable): Promise<void> =>
    // A writer that failed has destroyed the tar, which then takes nothing any more.
    Promise.race([pipeline(source, entryOf(tar, name, size, mtime)), written]);
  await add('manifest.json', Buffer.byteLength(text), Readable.from([Buffer.from(text)]));
  const sum = sha256(text);
  await add('manifest.sha256', sum.length, Readable.from([Buffer.from(sum)]));
  let done = 0;
  for (const [i, content] of contents.entries()) {
    const source = 'bytes' in content ? Readable.from([content.bytes]) : createReadStream(content.file, chunks);
    source.on('data', (chunk: Buffer) => onBytes((done += chunk.length)));
    await add(content.path, manifest.files[i]?.bytes ?? 0, source);
  }
  tar.finalize();
  await written;
}

const chunks = { highWaterMark: 2 ** 20 };

function entryOf(tar: Pack, name: string, size: number, mtime: Date): ReturnType<Pack['entry']> {
  return tar.entry({ name, size, mtime, mode: 0o600, type: 'file' });
}

async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, chunks)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
