/** A reference after the rules of distribution/reference: domain, path, tag, digest. */
export interface ImageReference {
  readonly domain: string;
  readonly path: string;
  readonly tag: string;
  readonly digest: string | undefined;
}

const referencePattern =
  /^(?:((?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?\.)*[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?::\d+)?)\/)?([a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[a-f0-9]{64}))?$/;

/** Undefined when `text` is no image reference (the kubelet's InvalidImageName). */
export function parseImageReference(text: string): ImageReference | undefined {
  const match = referencePattern.exec(text);
  if (!match) return undefined;
  let [, domain = '', path = ''] = match;
  if (domain !== '' && !domain.includes('.') && !domain.includes(':') && domain !== 'localhost') {
    path = `${domain}/${path}`;
    if (path !== path.toLowerCase()) return undefined;
    domain = '';
  }
  if (domain === '' || domain === 'index.docker.io') domain = 'docker.io';
  if (domain === 'docker.io' && !path.includes('/')) path = `library/${path}`;
  return { domain, path, tag: match[3] ?? (match[4] ? '' : 'latest'), digest: match[4] };
}

/** `docker.io/library/nginx:latest`. */
export function formatImageReference(reference: ImageReference): string {
  const tag = reference.tag === '' ? '' : `:${reference.tag}`;
  return `${reference.domain}/${reference.path}${tag}${reference.digest ? `@${reference.digest}` : ''}`;
}
