import { createHash } from 'node:crypto';
import { formatImageReference, parseImageReference, type ImageReference } from '#images/image-name';
import { CriError, type Image } from '../cri.ts';

/** What a registry knows of one image. */
export interface CatalogueImage {
  /** Repository without registry for Docker Hub (`nginx`, `traefik/whoami`), with it elsewhere. */
  readonly repository: string;
  /** Tags that exist. A digest is taken as it is. */
  readonly tags: RegExp;
  readonly sizeBytes: number;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly workingDir?: string;
  readonly user?: number;
  /** Which set of binaries the image holds besides its own program. */
  readonly userland: 'busybox' | 'debian' | 'none';
  /** The image's own binaries: absolute path to the name of a program. */
  readonly binaries?: Readonly<Record<string, string>>;
  /** Text of `/etc/os-release`. */
  readonly osRelease?: string;
  /** Files of the image, by absolute path. */
  readonly files?: Readonly<Record<string, string>>;
}

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

/** An image as the registry serves it, with the facts the runtime needs to start it. */
export interface ResolvedImage {
  readonly image: Image;
  readonly entry: CatalogueImage;
}

/** The simulated registries: every image that can be pulled. */
export class ImageCatalogue {
  readonly #byRepository = new Map<string, CatalogueImage>();

  constructor(entries: readonly CatalogueImage[]) {
    for (const entry of entries) {
      const reference = parseImageReference(entry.repository);
      if (reference) this.#byRepository.set(`${reference.domain}/${reference.path}`, entry);
    }
  }

  /** Throws CriError with containerd's words when the image cannot be had. */
  resolve(text: string): ResolvedImage {
    const reference = parseImageReference(text);
    if (!reference) {
      throw new CriError('InvalidArgument', `failed to parse image reference "${text}": invalid reference format`);
    }
    const repository = `${reference.domain}/${reference.path}`;
    const name = formatImageReference(reference);
    const entry = this.#byRepository.get(repository);
    if (!entry) throw missing(reference, name);
    if (reference.tag !== '' && !entry.tags.test(reference.tag)) {
      throw new CriError(
        'NotFound',
        `failed to pull and unpack image "${name}": failed to resolve reference "${name}": ${name}: not found`,
      );
    }
    const digest = reference.digest ?? digestOf(`manifest ${name}`);
    return {
      entry,
      image: {
        id: digestOf(`config ${repository} ${digest}`),
        repoTags: reference.tag === '' ? [] : [`${repository}:${reference.tag}`],
        repoDigests: [`${repository}@${digest}`],
        sizeBytes: entry.sizeBytes,
      },
    };
  }
}

/** Docker Hub does not say whether a repository is absent or private; a registry that no name leads to fails earlier. */
function missing(reference: ImageReference, name: string): CriError {
  const failed = `failed to pull and unpack image "${name}": failed to resolve reference "${name}"`;
  const known = [
    'docker.io',
    'registry.k8s.io',
    'gcr.io',
    'ghcr.io',
    'quay.io',
    'k8s.gcr.io',
    'mcr.microsoft.com',
    'public.ecr.aws',
  ];
  if (reference.domain === 'docker.io' || reference.domain === 'ghcr.io') {
    return new CriError(
      'Unknown',
      `${failed}: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`,
    );
  }
  if (known.includes(reference.domain)) return new CriError('NotFound', `${failed}: ${name}: not found`);
  const host = reference.domain.replace(/:\d+$/, '');
  return new CriError(
    'Unknown',
    `${failed}: failed to do request: Head "https://${reference.domain}/v2/${reference.path}/manifests/${reference.tag || reference.digest || ''}": dial tcp: lookup ${host}: no such host`,
  );
}
