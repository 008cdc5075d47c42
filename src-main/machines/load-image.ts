import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { ExecSession } from '#base/streams';
import { readArchiveNames } from '#images/archive-names';
import { ImageError } from '#images/image-error';
import { MachineError } from './errors.ts';
import type { MachineProgress, RemoteMachine } from './machine.ts';

/** An image archive that can be read once a load: a file, or what an engine saves. */
export interface ImageArchive {
  /** In full: `docker.io/library/nginx:latest`. */
  readonly names: readonly string[];
  /** About how much `open` gives, for a fraction; undefined when nobody knows. */
  readonly sizeBytes: number | undefined;
  /** `docker save` or an OCI layout, as a tar that is not compressed. */
  open(context: Context): Promise<AsyncIterable<Uint8Array>>;
}

export interface LoadResult {
  readonly machine: string;
  /** Absent: the machine has the images. */
  readonly error?: MachineError;
}

/**
 * Imports an archive into containerd on every machine. It is read once, at the pace of the slowest machine; one that
 * fails does not hold up the others. Throws MachineError when the archive itself cannot be read.
 */
export async function loadImage(
  context: Context,
  machines: readonly RemoteMachine[],
  archive: ImageArchive,
  onProgress: (machine: string, progress: MachineProgress) => void,
): Promise<readonly LoadResult[]> {
  const { context: life, cancel } = context.withCancel();
  try {
    const imports = machines.map((machine) => new Import(life, machine));
    await Promise.all(imports.map((each) => each.open()));
    let bytes = 0;
    for await (const chunk of await archive.open(life)) {
      await Promise.all(imports.map((each) => each.write(chunk)));
      if (imports.every((each) => each.failed)) break;
      bytes += chunk.length;
      // The archive's frame comes on top of the size, and unpacking after it.
      const fraction = archive.sizeBytes === undefined ? undefined : 0.9 * Math.min(1, bytes / archive.sizeBytes);
      for (const each of imports) {
        if (!each.failed) onProgress(each.name, { text: 'Sending', ...(fraction !== undefined && { fraction }) });
      }
    }
    for (const each of imports) if (!each.failed) onProgress(each.name, { text: 'Unpacking', fraction: 0.9 });
    return await Promise.all(
      imports.map(async (each) => {
        const result = await each.finish();
        if (!result.error) onProgress(each.name, { text: 'Loaded', fraction: 1 });
        return result;
      }),
    );
  } finally {
    cancel();
  }
}

/** `ctr images import` on one machine, fed through its standard input. */
class Import {
  readonly name: string;
  readonly #context: Context;
  readonly #machine: RemoteMachine;
  #session: ExecSession | undefined;
  #said: Promise<string> | undefined;
  #error: MachineError | undefined;

  constructor(context: Context, machine: RemoteMachine) {
    this.#context = context;
    this.#machine = machine;
    this.name = machine.name;
  }

  get failed(): boolean {
    return this.#error !== undefined;
  }

  async open(): Promise<void> {
    await this.#guard(async () => {
      const command = ['ctr', '--namespace', 'k8s.io', 'images', 'import', '-'];
      this.#session = await this.#machine.exec(this.#context, command, { stdin: true });
      this.#said = lastLine(this.#session);
      this.#said.catch(() => undefined);
    });
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#error) return;
    await this.#guard(async () => {
      await this.#session?.stdin?.write(chunk);
    });
  }

  async finish(): Promise<LoadResult> {
    await this.#guard(async () => {
      this.#session?.stdin?.end();
      const ended = await this.#session?.exit;
      if (ended?.exitCode !== 0) throw new MachineError('FAILED', (await this.#said) ?? 'the import ended');
    });
    return { machine: this.name, ...(this.#error && { error: this.#error }) };
  }

  async #guard(step: () => Promise<void>): Promise<void> {
    if (this.#error) return;
    try {
      await step();
    } catch (error) {
      this.#context.check();
      const reason = (await this.#said?.catch(() => '')) || messageOf(error);
      const code = error instanceof MachineError ? error.code : 'FAILED';
      this.#error = new MachineError(code, `${this.name} did not take the image: ${reason}`, { cause: error });
    }
  }
}

/** What an import says last on standard error; its standard output, a line a layer, is read and dropped. */
async function lastLine(session: ExecSession): Promise<string> {
  const drained = (async (): Promise<void> => {
    for await (const chunk of session.stdout) void chunk;
  })();
  let text = '';
  for await (const chunk of session.stderr) text = (text + Buffer.from(chunk).toString('utf8')).slice(-2000);
  await drained;
  return text.trim().split('\n').at(-1) ?? '';
}

/** An archive on this computer, also one compressed with gzip. Throws MachineError `INVALID`. */
export async function archiveFile(path: string): Promise<ImageArchive> {
  try {
    const { size } = await stat(path);
    const names = await readArchiveNames(createReadStream(path));
    const compressed = await isGzip(path);
    return {
      names,
      sizeBytes: compressed ? undefined : size,
      open: () => Promise.resolve(compressed ? createReadStream(path).pipe(createGunzip()) : createReadStream(path)),
    };
  } catch (error) {
    const reason = error instanceof ImageError ? error.message : `cannot be read: ${messageOf(error)}`;
    throw new MachineError('INVALID', `${path}: ${reason}`, { cause: error });
  }
}

async function isGzip(path: string): Promise<boolean> {
  for await (const chunk of Readable.from(createReadStream(path, { end: 1 }))) {
    const bytes = chunk as Uint8Array;
    return bytes[0] === 0x1f && bytes[1] === 0x8b;
  }
  return false;
}
