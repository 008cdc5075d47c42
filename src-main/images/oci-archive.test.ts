import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { extract, pack } from 'tar-stream';
import { expect, test } from 'vitest';
import { readArchiveNames } from './archive-names.ts';
import { appletsOf } from './busybox-image.ts';
import { layerOfFiles, type ImageLayer } from './layer.ts';
import { buildImage, imageArchive } from './oci-archive.ts';

const layer = layerOfFiles([
  { path: 'etc', type: 'directory' },
  { path: 'etc/motd', type: 'file', content: 'hello' },
  { path: 'etc/issue', type: 'symlink', target: 'motd' },
]);
const spec = { names: ['web', 'reg.example:5000/a/b:v1'], layers: [layer], config: { cmd: ['sh'], user: '7' } };

async function bytesOf(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

async function filesOf(archive: AsyncIterable<Uint8Array>): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const tar = extract();
  tar.end(await bytesOf(archive));
  for await (const entry of tar) files.set(entry.header.name, await bytesOf(entry));
  return files;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

test('every blob is where its digest says, for both readers', async () => {
  const image = await buildImage(spec);
  const files = await filesOf(imageArchive([image, image]));
  const blobs = [...files].filter(([name]) => name.startsWith('blobs/'));
  expect(blobs.map(([name]) => name)).toHaveLength(3);
  for (const [name, bytes] of blobs) {
    expect(name).toBe(`blobs/sha256/${createHash('sha256').update(bytes).digest('hex')}`);
  }
  const [docker] = JSON.parse(String(files.get('manifest.json'))) as { Config: string; RepoTags: string[] }[];
  expect(docker?.RepoTags).toEqual(['docker.io/library/web:latest', 'reg.example:5000/a/b:v1']);
  const config = JSON.parse(String(files.get(docker?.Config ?? ''))) as object;
  expect(config).toMatchObject({ os: 'linux', config: { Cmd: ['sh'], User: '7' } });
  expect(`sha256:${docker?.Config.split('/').at(-1)}`).toBe(image.id);
});

test('the same content has the same digests; another byte has others', async () => {
  const again = await buildImage(spec);
  expect(await buildImage(spec)).toMatchObject({ id: again.id, digest: again.digest });
  const other = await buildImage({ ...spec, config: { cmd: ['true'] } });
  expect(other.id).not.toBe(again.id);
});

test('a layer is streamed with back-pressure', async () => {
  const block = Buffer.alloc(1024 * 1024, 7);
  let ahead = 0;
  const large: ImageLayer = {
    open: async function* () {
      for (let i = 0; i < 64; i++) {
        ahead++;
        yield block;
      }
    },
  };
  const image = await buildImage({ names: [], layers: [large], config: {} });
  let read = 0;
  ahead = 0;
  let most = 0;
  for await (const chunk of imageArchive([image])) {
    read += chunk.length;
    most = Math.max(most, ahead * block.length - read);
  }
  expect(read).toBeGreaterThan(64 * block.length);
  expect(most).toBeLessThan(8 * block.length);
});

test('a layer that breaks breaks the archive', async () => {
  let opened = 0;
  const broken: ImageLayer = {
    open: async function* () {
      yield Buffer.alloc(10);
      if (opened++ > 0) throw new Error('the disk is gone');
    },
  };
  const image = await buildImage({ names: [], layers: [broken], config: {} });
  await expect(bytesOf(imageArchive([image]))).rejects.toThrow('the disk is gone');
});

test('names are read from an archive, gzipped or not', async () => {
  const names = ['docker.io/library/web:latest', 'reg.example:5000/a/b:v1'];
  const archive = await bytesOf(imageArchive([await buildImage(spec)]));
  expect(await readArchiveNames(once(archive))).toEqual(names);
  expect(await readArchiveNames(once(gzipSync(archive)))).toEqual(names);
  await expect(buildImage({ ...spec, names: ['Not A Name'] })).rejects.toMatchObject({ code: 'InvalidName' });
});

test('what is no image archive is said to be none', async () => {
  const tar = pack();
  tar.entry({ name: 'x' }, 'y');
  tar.finalize();
  await expect(readArchiveNames(once(await bytesOf(tar)))).rejects.toMatchObject({ code: 'InvalidArchive' });
  await expect(readArchiveNames(once(Buffer.alloc(4096, 'x')))).rejects.toMatchObject({ code: 'InvalidArchive' });
  const broken = pack();
  broken.entry({ name: 'manifest.json' }, '{');
  broken.finalize();
  await expect(readArchiveNames(once(await bytesOf(broken)))).rejects.toMatchObject({ code: 'InvalidArchive' });
});

test('what is no static busybox is said to be none', () => {
  expect(() => appletsOf(Buffer.from('#!/bin/sh\n'))).toThrow('no busybox');
});
