import type { Secret } from '#api/gen/types';
import type { RegistryAuth } from '#cri/cri';

/** Image pull secrets and which of their entries are for which image (pkg/credentialprovider, release 1.36). */

interface DockerConfigEntry {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

interface Credential {
  /** `registry.example.com:5000/team`, without scheme. */
  readonly registry: string;
  readonly auth: RegistryAuth;
}

/** What the secrets hold for `image`, the most particular first; empty when nothing fits. */
export function credentialsFor(image: string, secrets: readonly Secret[]): readonly RegistryAuth[] {
  const wanted = withRegistry(image);
  return secrets
    .flatMap(credentialsOf)
    .filter(({ registry }) => matches(registry, wanted))
    .sort((a, b) => b.registry.length - a.registry.length)
    .map(({ auth }) => auth);
}

function credentialsOf({ type, data = {} }: Secret): readonly Credential[] {
  const key = type === 'kubernetes.io/dockercfg' ? '.dockercfg' : '.dockerconfigjson';
  const text = data[key];
  if (!text) return [];
  const parsed = parseJson(Buffer.from(text, 'base64').toString('utf8'));
  const auths = (key === '.dockercfg' ? parsed : parsed?.['auths']) as
    Readonly<Record<string, DockerConfigEntry>> | undefined;
  return Object.entries(auths ?? {}).map(([server, entry]) => ({
    registry: registryOf(server),
    auth: authOf(server, entry),
  }));
}

/** Undefined for a secret that somebody filled with something else. */
function parseJson(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

function authOf(serverAddress: string, entry: DockerConfigEntry): RegistryAuth {
  const [username, ...rest] = Buffer.from(entry.auth ?? '', 'base64')
    .toString('utf8')
    .split(':');
  return {
    username: entry.username ?? username ?? '',
    password: entry.password ?? rest.join(':'),
    ...(entry.identitytoken ? { identityToken: entry.identitytoken } : {}),
    ...(entry.registrytoken ? { registryToken: entry.registrytoken } : {}),
    serverAddress,
  };
}

/** `https://index.docker.io/v1/` is Docker Hub's old spelling of itself. */
function registryOf(server: string): string {
  const name = server.replace(/^https?:\/\//, '').replace(/\/(v1|v2)?\/?$/, '');
  return name === 'index.docker.io' ? 'docker.io' : name;
}

/** The image with its registry: names without one are Docker Hub's. */
function withRegistry(image: string): string {
  const [first = '', ...rest] = image.split('/');
  const named = rest.length > 0 && (/[.:]/.test(first) || first === 'localhost');
  return named
    ? image.replace(/^index\.docker\.io\//, 'docker.io/')
    : `docker.io/${rest.length > 0 ? image : `library/${image}`}`;
}

/** Host by host name part (`*` stands for one whole part), path by prefix. */
function matches(registry: string, image: string): boolean {
  const [host = '', ...path] = registry.split('/');
  const [imageHost = '', ...imagePath] = image.split('/');
  const [parts, imageParts] = [host.split('.'), imageHost.split('.')];
  if (parts.length !== imageParts.length) return false;
  const sameHost = parts.every((part, index) => {
    const pattern = part.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
    return new RegExp(`^${pattern}$`).test(imageParts[index] ?? '');
  });
  return sameHost && imagePath.join('/').startsWith(path.join('/'));
}
