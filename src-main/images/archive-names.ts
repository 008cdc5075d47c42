import { createGunzip } from 'node:zlib';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { extract, type Extract } from 'tar-stream';
import { messageOf } from '#base/errors';
import { ImageError } from './image-error.ts';
import { formatImageReference, parseImageReference } from './image-name.ts';

type Entry = Extract extends AsyncIterable<infer E> ? E : never;

/** The index of an archive is small; a bigger one is no image archive. */
const maxIndexBytes = 4 * 1024 * 1024;

/**
 * The names of the images in an archive, in full and sorted: `docker save` and OCI layouts, also gzipped. Reads to the end
 * of `archive`, keeping only the index. Empty when the archive holds images without names. Throws ImageError
 * `InvalidArchive`.
 */
export async function readArchiveNames(archive: AsyncIterable<Uint8Array>): Promise<readonly string[]> {
  const names = new Set<string>();
  let found = false;
  const tar = extract();
  const reading = (async (): Promise<void> => {
    for await (const entry of tar) {
      const read = readers[entry.header.name.replace(/^\.\//, '')];
      if (!read) {
        await skip(entry);
        continue;
      }
      found = true;
      for (const name of read(await readJson(entry))) addName(names, name);
    }
  })();
  try {
    await Promise.all([pipeline(Readable.from(gunzipped(archive), { objectMode: false }), tar), reading]);
  } catch (error) {
    throw new ImageError('InvalidArchive', `this file cannot be read as an image archive: ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (!found) {
    throw new ImageError('InvalidArchive', 'this tar holds no image: make one with docker save or an OCI layout');
  }
  return [...names].sort();
}

const readers: Readonly<Record<string, (document: unknown) => readonly unknown[]>> = {
  'manifest.json': (document) => listOf(document).flatMap((image) => listOf(member(image, 'RepoTags'))),
  'index.json': (document) =>
    listOf(member(document, 'manifests')).map((manifest) => {
      const annotations = member(manifest, 'annotations');
      const reference = member(annotations, 'org.opencontainers.image.ref.name');
      // Many tools put only the tag there, and a tag alone would be taken for a repository.
      const isName = typeof reference === 'string' && /[/:]/.test(reference);
      return member(annotations, 'io.containerd.image.name') ?? (isName ? reference : undefined);
    }),
};

function addName(names: Set<string>, name: unknown): void {
  const reference = typeof name === 'string' ? parseImageReference(name) : undefined;
  if (reference) names.add(formatImageReference(reference));
}

async function* gunzipped(archive: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = archive[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done) return;
  async function* all(): AsyncGenerator<Uint8Array> {
    yield first.value;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  }
  const isGzip = first.value[0] === 0x1f && first.value[1] === 0x8b;
  if (!isGzip) {
    yield* all();
    return;
  }
  const plain = Readable.from(all(), { objectMode: false }).pipe(createGunzip());
  for await (const chunk of plain) yield chunk as Uint8Array;
}

async function skip(entry: Entry): Promise<void> {
  entry.resume();
  await new Promise<void>((resolve, reject) => entry.once('end', resolve).once('error', reject));
}

async function readJson(entry: Entry): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of entry as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > maxIndexBytes) throw new Error(`${entry.header.name} is larger than ${maxIndexBytes} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
