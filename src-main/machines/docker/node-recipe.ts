import { createHash } from 'node:crypto';
import { debianRootFsArguments, type DebianRootFsSpec } from '#images/debian-root-fs';
import { machinePaths } from '../machine.ts';

/** What a node is made of. A change of anything here makes a new image, because its tag is a hash of it. */
export const nodePackages = [
  'busybox-static',
  'ca-certificates',
  'conntrack',
  'containerd',
  'containernetworking-plugins',
  'iproute2',
  'iputils-arping',
  'kmod',
  'mount',
  'nftables',
  'nodejs',
  'procps',
  'runc',
  'tini',
] as const;

export const debianImage = 'debian:12-slim';

/** The Dockerfile of the base where a registry has Debian's image. */
export function aptDockerfile(): string {
  const excludes = ['doc', 'man', 'locale', 'info'].map((folder) => `path-exclude=/usr/share/${folder}/*`).join('\\n');
  return [
    `FROM ${debianImage}`,
    `RUN printf '${excludes}\\n' >/etc/dpkg/dpkg.cfg.d/drydock && apt-get update \\`,
    ` && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${nodePackages.join(' ')} \\`,
    ' && rm -rf /var/lib/apt/lists/* /var/cache/apt/*',
    '',
  ].join('\n');
}

/** The same from packages alone. */
export const nodeRootFs: DebianRootFsSpec = { packages: nodePackages };

/** The layer on top: the agent, and what every node does first. */
export function agentDockerfile(base: string): string {
  return [
    `FROM ${base}`,
    'COPY drydock /',
    `RUN ["/usr/bin/node","${machinePaths.agentBundle}","prepare-image"]`,
    'STOPSIGNAL SIGTERM',
    `ENTRYPOINT ["/usr/bin/tini","--","/usr/bin/node","${machinePaths.agentBundle}","supervise"]`,
    '',
  ].join('\n');
}

/** The same content has the same tag. `source` names a root file system of the user's by its content. */
export function baseTag(source: string): string {
  return `drydock/node-base:${hashOf([aptDockerfile(), debianRootFsArguments(nodeRootFs).join('\n'), source])}`;
}

export function nodeTag(
  base: string,
  files: readonly { readonly path: string; readonly content: Uint8Array }[],
): string {
  return `drydock/node:${hashOf([agentDockerfile(base), ...files.flatMap((file) => [file.path, file.content])])}`;
}

function hashOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(String(part.length)).update('\0').update(part);
  return hash.digest('hex').slice(0, 12);
}
