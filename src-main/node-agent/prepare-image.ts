import { createWriteStream, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { buildBusyboxImage, buildPauseImage } from '#images/busybox-image';
import { imageArchive } from '#images/oci-archive';
import type { AgentProcess } from './process.ts';

/** Image archives in the node image, imported into containerd when a node starts and lacks them. */
export const imageArchiveFolder = '/usr/share/drydock/images';

/** What must be in a node's root file system, wherever it came from. */
const programs = [
  'arping',
  'busybox',
  'conntrack',
  'containerd',
  'containerd-shim-runc-v2',
  'ctr',
  'ip',
  'mount',
  'nft',
  'runc',
  'tini',
];

/**
 * Part of the build of the node image: the sandbox image and busybox from the node's own static busybox, so that they are of its
 * architecture and no registry is asked. There is no configuration yet. On a machine reached by SSH, where the driver has seen
 * to the programs, the argument says where busybox is.
 */
export const prepareImage: AgentProcess = async (_life, { args: [busyboxPath] }) => {
  const missing = busyboxPath === undefined ? programs.filter((program) => !onPath(program)) : [];
  if (missing.length > 0) throw new Error(`the root file system lacks these programs: ${missing.join(', ')}`);
  const busybox = readFileSync(busyboxPath ?? '/bin/busybox');
  mkdirSync(imageArchiveFolder, { recursive: true });
  const images = [await buildPauseImage(busybox), await buildBusyboxImage(busybox)];
  await pipeline(imageArchive(images), createWriteStream(join(imageArchiveFolder, 'node.tar')));
};

function onPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, program)));
}
