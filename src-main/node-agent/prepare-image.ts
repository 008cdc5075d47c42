import { createWriteStream, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { buildBusyboxImage, buildPauseImage } from '#images/busybox-image';
import { imageArchive } from '#images/oci-archive';

/** Image archives in the node image, imported into containerd when a node starts and lacks them. */
export const imageArchiveFolder = '/usr/share/drydock/images';

/**
 * Part of the build of the node image: the sandbox image and busybox from the node's own static busybox, so that they are of its
 * architecture and no registry is asked.
 */
export async function prepareImage(): Promise<void> {
  const busybox = readFileSync('/bin/busybox');
  mkdirSync(imageArchiveFolder, { recursive: true });
  const images = [await buildPauseImage(busybox), await buildBusyboxImage(busybox)];
  await pipeline(imageArchive(images), createWriteStream(join(imageArchiveFolder, 'node.tar')));
}
