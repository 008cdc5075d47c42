import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack, type Pack } from 'tar-stream';
import { ImageError } from './image-error.ts';
import { formatImageReference, parseImageReference } from './image-name.ts';
import { fixedTime, putEntry, type ImageLayer } from './layer.ts';

/** How containers of an image start, when their pod says nothing else. */
export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** `uid`, `uid:gid` or names of the image's `/etc/passwd`. */
  readonly user?: string;
  /** `80/tcp`. */
  readonly exposedPorts?: readonly string[];
  readonly workingDir?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** What a runtime stops a container with, when it is not SIGTERM. */
  readonly stopSignal?: string;
}

export interface ImageSpec {
  /** Any spelling; archives name images in full: `docker.io/library/nginx:latest`. */
  readonly names: readonly string[];
  /** From the bottom up. */
  readonly layers: readonly ImageLayer[];
  readonly config: ImageConfig;
  /** As Go names it. Default: this machine's. */
  readonly architecture?: string;
}

/** An image whose digests are known: ready to be written, and named by its content. */
export interface BuiltImage {
  /** `sha256:...` of the configuration: Docker's image id and the CRI's. */
  readonly id: string;
  /** `sha256:...` of the OCI manifest. */
  readonly digest: string;
  /** In full. */
  readonly names: readonly string[];
  readonly layers: readonly { readonly blob: Descriptor; readonly layer: ImageLayer }[];
  readonly config: Buffer;
  readonly manifest: Buffer;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
  index: 'application/vnd.oci.image.index.v1+json',
} as const;

const goArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/** This machine's architecture as images name it. */
export function hostArchitecture(): string {
  return goArchitectures[process.arch] ?? process.arch;
}

/** Reads every layer once. Throws ImageError `InvalidName`. */
export async function buildImage(spec: ImageSpec): Promise<BuiltImage> {
  const names = spec.names.map(fullName);
  const layers = await Promise.all(spec.layers.map(async (layer) => ({ layer, blob: await measure(layer) })));
  const config = toJson(configDocument(spec, layers));
  const id = digestOf(config);
  const manifest = toJson({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: { mediaType: mediaTypes.config, digest: id, size: config.length },
    layers: layers.map(({ blob }) => blob),
  });
  return { id, digest: digestOf(manifest), names, layers, config, manifest };
}

/**
 * One archive of `images` that `ctr images import` takes as an OCI layout and `docker load` (every version) as its own:
 * blobs by digest, with an index for the one and a manifest.json for the other. Reads every layer again, as it is sent.
 */
export function imageArchive(images: readonly BuiltImage[]): Readable {
  const tar = pack();
  writeArchive(tar, images).then(
    () => tar.finalize(),
    (error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return Readable.from(tar, { objectMode: false });
}

async function writeArchive(tar: Pack, images: readonly BuiltImage[]): Promise<void> {
  const put = (name: string, content: Buffer): Promise<void> =>
    putEntry(tar, { name, type: 'file', mode: 0o644, mtime: fixedTime }, content);
  await put('oci-layout', toJson({ imageLayoutVersion: '1.0.0' }));
  await put('index.json', toJson(indexDocument(images)));
  await put('manifest.json', toJson(images.map(dockerManifest)));
  const written = new Set<string>();
  for (const image of images) {
    for (const { blob, layer } of image.layers) {
      if (!written.has(blob.digest)) await copyBlob(tar, blob, layer);
      written.add(blob.digest);
    }
    if (!written.has(image.id)) await put(pathOf(image.id), image.config);
    written.add(image.id);
    if (!written.has(image.digest)) await put(pathOf(image.digest), image.manifest);
    written.add(image.digest);
  }
}

async function copyBlob(tar: Pack, blob: Descriptor, layer: ImageLayer): Promise<void> {
  const headers = { name: pathOf(blob.digest), mode: 0o644, mtime: fixedTime, size: blob.size };
  await pipeline(layer.open(), tar.entry(headers));
}

async function measure(layer: ImageLayer): Promise<Descriptor> {
  const hash = createHash('sha256');
  let size = 0;
  for await (const chunk of layer.open()) {
    hash.update(chunk);
    size += chunk.length;
  }
  return { mediaType: mediaTypes.layer, digest: `sha256:${hash.digest('hex')}`, size };
}

function configDocument(spec: ImageSpec, layers: readonly { readonly blob: Descriptor }[]): object {
  const { config } = spec;
  const ports = config.exposedPorts?.map((port) => [port, {}]);
  return {
    architecture: spec.architecture ?? hostArchitecture(),
    os: 'linux',
    created: fixedTime.toISOString(),
    config: {
      ...(config.user === undefined ? {} : { User: config.user }),
      ...(ports ? { ExposedPorts: Object.fromEntries(ports) } : {}),
      Env: Object.entries(config.env ?? {}).map(([key, value]) => `${key}=${value}`),
      ...(config.entrypoint ? { Entrypoint: config.entrypoint } : {}),
      ...(config.cmd ? { Cmd: config.cmd } : {}),
      ...(config.workingDir === undefined ? {} : { WorkingDir: config.workingDir }),
      ...(config.labels ? { Labels: config.labels } : {}),
      ...(config.stopSignal === undefined ? {} : { StopSignal: config.stopSignal }),
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ blob }) => blob.digest) },
    history: layers.map(() => ({ created: fixedTime.toISOString(), created_by: 'drydock' })),
  };
}

/** Every name is an entry of its own. containerd reads its own annotation first, other tools the specification's. */
function indexDocument(images: readonly BuiltImage[]): object {
  const manifests = images.flatMap(({ digest, manifest, names }) => {
    const descriptor = { mediaType: mediaTypes.manifest, digest, size: manifest.length };
    if (names.length === 0) return [descriptor];
    return names.map((name) => ({
      ...descriptor,
      annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name },
    }));
  });
  return { schemaVersion: 2, mediaType: mediaTypes.index, manifests };
}

function dockerManifest({ id, names, layers }: BuiltImage): object {
  return { Config: pathOf(id), RepoTags: names, Layers: layers.map(({ blob }) => pathOf(blob.digest)) };
}

function fullName(name: string): string {
  const reference = parseImageReference(name);
  if (!reference) throw new ImageError('InvalidName', `"${name}" is no image name: write it like nginx:1.27`);
  return formatImageReference(reference);
}

function pathOf(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function toJson(document: unknown): Buffer {
  return Buffer.from(JSON.stringify(document));
}
