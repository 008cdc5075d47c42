import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { extract, type Extract } from 'tar-stream';
import { RealClock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import { EtcdError } from '#etcd/client';
import { checkClosedStore } from '#etcd/closed-store';
import { ClusterError } from '../errors.ts';
import type { Home } from '../home.ts';
import { loadLabConfig, saveLabConfig, checkLabName, type LabConfig } from '../lab-config.ts';
import type { LabStep } from '../lab-view.ts';
import { freePort } from '../ports.ts';
import { Steps } from '../steps.ts';
import { damaged, decodeManifest, sha256, type SnapshotEntry, type SnapshotManifest } from './manifest.ts';

type Entry = Extract extends AsyncIterable<infer E> ? E : never;

export interface RestoreOptions {
  readonly home: Home;
  readonly file: string;
  /** The new lab's; the snapshot's own when absent. */
  readonly name?: string;
  readonly onSteps: (steps: readonly LabStep[]) => void;
}

/** More than any manifest has: a file that is something else is not read to its end. */
const maxManifestBytes = 2 ** 20;
const workPrefix = '.restoring-';

/** What a snapshot says of itself. Throws ClusterError INVALID when the file is none, is damaged or newer. */
export async function inspectSnapshot(file: string): Promise<SnapshotManifest> {
  for await (const part of readSnapshot(file)) return part.manifest;
  throw damaged(file, new Error('it is empty'));
}

/**
 * Makes a stopped lab of a snapshot. Its nodes, objects, revisions and history are those of the saved one; its ports are
 * chosen afresh where they are taken, kubeconfig files of the person's are not touched, and machines reached by SSH are left
 * out, because a machine obeys one lab. The lab is there whole or not at all. Throws ClusterError.
 */
export async function restoreSnapshot(context: Context, options: RestoreOptions): Promise<LabConfig> {
  const { home, file, onSteps } = options;
  home.prepare();
  await removeUnfinished(home);
  const { lab } = await inspectSnapshot(file);
  const name = options.name ?? lab;
  checkLabName(name);
  const folder = home.labFolder(name);
  if (existsSync(folder))
    throw new ClusterError('LAB_EXISTS', `lab ${name} exists in ${home.path}; restore under another name with --name`);
  const [unpack, check] = [`Reading ${basename(file)}`, 'Checking the store'] as const;
  const steps = new Steps([unpack, check], new RealClock(), onSteps);
  const work = join(home.path, `${workPrefix}${randomBytes(6).toString('hex')}`);
  try {
    mkdirSync(work, { mode: 0o700 });
    await steps.run(unpack, async (report) => {
      try {
        await unpackAll(context, file, work, (fraction) => report({ text: unpack, fraction }));
      } catch (error) {
        throw error instanceof ClusterError || context.ended ? error : unreadable(file, error);
      }
    });
    return await steps.run(check, async () => {
      const saved = await checkUnpacked(file, work);
      const config = await configOf(saved, name, home);
      saveLabConfig(work, config);
      // Now it is there.
      renameSync(work, folder);
      return config;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What a restore left that was killed. The caller holds the home, so nobody else restores. */
async function removeUnfinished(home: Home): Promise<void> {
  const names = readdirSync(home.path).filter((name) => name.startsWith(workPrefix));
  for (const name of names) await rm(join(home.path, name), { recursive: true, force: true });
}

interface Part {
  readonly manifest: SnapshotManifest;
  /** Absent once, before the first file. */
  readonly entry?: { readonly described: SnapshotEntry; readonly stream: Entry };
}

/** The manifest, then each file in order, which must be read before the next. */
async function* readSnapshot(file: string, onBytes: (done: number) => void = () => undefined): AsyncGenerator<Part> {
  const tar = extract();
  let source: ReturnType<typeof createReadStream> | undefined;
  let isOurs = false;
  try {
    if (!statSync(file).isFile()) throw new ClusterError('INVALID', `${file} is no file`);
    source = createReadStream(file, { highWaterMark: 2 ** 20 });
    source.on('data', () => onBytes(source?.bytesRead ?? 0));
    pipeline(source, tar).catch(() => undefined);
    const entries = tar[Symbol.asyncIterator]();
    const text = await textOf(await entries.next(), 'manifest.json', file);
    if ((await textOf(await entries.next(), 'manifest.sha256', file)) !== sha256(text))
      throw new Error('its manifest is not what was written');
    const manifest = decodeManifest(file, text);
    isOurs = true;
    yield { manifest };
    for (const described of manifest.files) {
      const { value: stream, done } = await entries.next();
      if (done) throw new Error(`${described.path} is missing`);
      const { name, size, type } = stream.header;
      if (name !== described.path || size !== described.bytes || type !== 'file')
        throw new Error(`${described.path} is not where it was written`);
      yield { manifest, entry: { described, stream } };
    }
  } catch (error) {
    throw error instanceof ClusterError ? error : unreadable(file, error, isOurs);
  } finally {
    source?.destroy();
    tar.destroy();
  }
}

async function textOf(next: IteratorResult<Entry, unknown>, name: string, file: string): Promise<string> {
  const isOurs = next.done !== true && next.value.header.name === name;
  if (!isOurs || (next.value.header.size ?? 0) > maxManifestBytes) throw noSnapshot(file);
  const chunks: Buffer[] = [];
  for await (const chunk of next.value) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

async function unpackAll(
  context: Context,
  file: string,
  work: string,
  onFraction: (fraction: number) => void,
): Promise<void> {
  const fileBytes = existsSync(file) ? statSync(file).size : 1;
  for await (const { entry } of readSnapshot(file, (done) => onFraction(done / fileBytes))) {
    context.check();
    if (!entry) continue;
    const { described, stream } = entry;
    const target = join(work, described.path);
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    const hash = createHash('sha256');
    // By its own iterator: a pipeline would wait for ever for an entry that was cut short before it was connected.
    const hashed = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        hash.update(chunk);
        yield chunk;
      }
    };
    await pipeline(hashed, createWriteStream(target, { flags: 'wx', mode: 0o600, flush: true } as object));
    if (hash.digest('hex') !== described.sha256)
      throw damaged(file, new Error(`${described.path} is not what was written`));
  }
}

/** What the files say, beside being those that were written. */
async function checkUnpacked(file: string, work: string): Promise<LabConfig> {
  try {
    await checkClosedStore(join(work, 'etcd'));
    const config = loadLabConfig(work);
    if (!config) throw new Error('it has no lab.json');
    return config;
  } catch (error) {
    if (error instanceof EtcdError && error.code === 'NO_SPACE') throw new ClusterError('INVALID', error.message);
    throw damaged(file, error);
  }
}

async function configOf(saved: LabConfig, name: string, home: Home): Promise<LabConfig> {
  const { masterPorts: _ports, docker: _network, ...rest } = saved;
  const taken = new Set(home.labNames().flatMap((other) => portsOf(loadLabConfig(home.labFolder(other)))));
  const keep = async (port: number): Promise<number> =>
    port !== 0 && !taken.has(port) && (await freePort(port)) === port ? port : 0;
  const workers = saved.workers.filter(({ driver }) => driver !== 'ssh');
  const [apiPort, etcdPort] = [await keep(saved.apiPort), await keep(saved.etcdPort)];
  return { ...rest, name, workers, apiPort, etcdPort, kubeconfigs: [] };
}

function portsOf(config: LabConfig | undefined): number[] {
  return config ? [config.apiPort, config.etcdPort, ...(config.masterPorts ?? [])] : [];
}

function unreadable(file: string, error: unknown, isOurs = true): ClusterError {
  const system = error instanceof Error && 'syscall' in error && 'code' in error ? error : undefined;
  if (system?.code === 'ENOSPC')
    return new ClusterError('INVALID', `no space left for what ${file} holds; free some, then restore again`);
  if (system) return new ClusterError('INVALID', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  return isOurs ? damaged(file, error) : noSnapshot(file, error);
}

function noSnapshot(file: string, cause?: unknown): ClusterError {
  return new ClusterError('INVALID', `${file} is no snapshot of a Drydock lab, or its beginning is damaged`, { cause });
}
