import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Context } from '#base/context';
import { debianRootFs, debianRootFsArguments, type BuildProgress, type DebianRootFsSpec } from './debian-root-fs.ts';
import { layerOfTarFile } from './layer.ts';
import { buildImage, hostArchitecture, imageArchive, type ImageConfig } from './oci-archive.ts';

/** An image made of Debian's packages, for places without a registry. */
export interface DebianImageSpec {
  readonly names: readonly string[];
  readonly rootFs: DebianRootFsSpec;
  readonly config: ImageConfig;
}

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** As Docker Hub's image is used: pages in `/usr/share/nginx/html`, sites in `/etc/nginx/conf.d`, logs on standard output. */
const nginx: DebianImageSpec = {
  names: ['docker.io/library/nginx:latest', 'docker.io/library/nginx:1.27'],
  rootFs: {
    packages: ['nginx'],
    setUp: [
      'rm -rf etc/nginx/sites-enabled etc/nginx/modules-enabled/*',
      'mkdir -p etc/nginx/conf.d etc/nginx/sites-enabled var/lib/nginx var/log/nginx usr/share/nginx/html',
      `printf 'server {\\n  listen 80;\\n  server_name localhost;\\n  location / {\\n    root /usr/share/nginx/html;\\n    index index.html;\\n  }\\n}\\n' >etc/nginx/conf.d/default.conf`,
      '[ -e usr/share/nginx/html/index.html ] || printf "<h1>Welcome to nginx!</h1>\\n" >usr/share/nginx/html/index.html',
      'ln -sf /dev/stdout var/log/nginx/access.log',
      'ln -sf /dev/stderr var/log/nginx/error.log',
    ],
  },
  config: {
    cmd: ['nginx', '-g', 'daemon off;'],
    env: { PATH: path },
    exposedPorts: ['80/tcp'],
    stopSignal: 'SIGQUIT',
  },
};

/** Python without its whole library: enough for `http.server`, sockets and scripts. */
const python: DebianImageSpec = {
  names: ['docker.io/library/python:3', 'docker.io/library/python:latest'],
  rootFs: {
    packages: ['python3'],
    setUp: ['ln -sf python3 usr/bin/python'],
  },
  config: { cmd: ['python3'], env: { PATH: path, LANG: 'C.UTF-8', PYTHONUNBUFFERED: '1' } },
};

export const debianImages = { nginx, python } as const;

/**
 * The path of an archive with the image, for `image load`. Kept in `cacheFolder` under a hash of what it is made of; packages
 * are asked for again only when the file is gone. Throws ImageError, or CancelledError.
 */
export async function debianImageArchive(
  context: Context,
  spec: DebianImageSpec,
  cacheFolder: string,
  onProgress: (progress: BuildProgress) => void,
): Promise<string> {
  const content = JSON.stringify([spec, debianRootFsArguments(spec.rootFs), hostArchitecture()]);
  const key = createHash('sha256').update(content).digest('hex').slice(0, 12);
  const archive = join(cacheFolder, `image-${key}.tar`);
  if (await exists(archive)) return archive;
  await mkdir(cacheFolder, { recursive: true });
  const folder = await mkdtemp(join(cacheFolder, 'build-'));
  try {
    const layer = join(folder, 'layer.tar');
    const { tar, done } = debianRootFs(context, spec.rootFs, ({ text, fraction }) =>
      onProgress({ text, fraction: 0.9 * fraction }),
    );
    await Promise.all([done, pipeline(tar, createWriteStream(layer))]);
    onProgress({ text: 'Writing the image', fraction: 0.9 });
    const image = await buildImage({ names: spec.names, layers: [layerOfTarFile(layer)], config: spec.config });
    const whole = join(folder, 'image.tar');
    await pipeline(imageArchive([image]), createWriteStream(whole));
    await rename(whole, archive);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  onProgress({ text: 'The image is ready', fraction: 1 });
  return archive;
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
