import { existsSync, readFileSync } from 'node:fs';
import { appletsOf } from '#images/busybox-image';
import { messageOf } from '#base/errors';
import type { Program } from './programs.ts';

/** A busybox that runs in an empty root file system. */
export const staticBusybox: Program = findBusybox('/bin/busybox');

function findBusybox(path: string): Program {
  if (!existsSync(path)) return { missing: 'there is no /bin/busybox (apt-get install busybox-static)' };
  try {
    appletsOf(readFileSync(path));
    return { path };
  } catch (error) {
    return { missing: `${path}: ${messageOf(error)}` };
  }
}
