import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { nodeDiskBytes, type NodeFault } from '#machines/faults';
import { UnsupportedFaultError, type AppliedFault } from './applied.ts';
import { isFault } from './fault-marks.ts';

/** One file a fault, named after its process: how many bytes of the disk it leaves to the node. */
export const diskClaims = '/run/drydock/disk';

/**
 * Claims what is free of the node's disk, and writes nothing to it: a node stands on the disk of its computer or machine,
 * which other nodes and other programs use too. The kubelet finds no more than what is left, says DiskPressure and
 * evicts; nobody else runs out of space.
 */
export async function claimDisk(
  fault: Extract<NodeFault, { kind: 'disk' }>,
  { mark, disk, claims = diskClaims }: { readonly mark: string; readonly disk: string; readonly claims?: string },
): Promise<AppliedFault> {
  const { bsize, blocks, bavail } = statfsSync(disk);
  const left = Math.floor((Math.min(blocks * bsize, nodeDiskBytes) * fault.freePercent) / 100);
  const free = bavail * bsize;
  if (free <= left) throw new UnsupportedFaultError(`less than ${mebibytes(left)} of the disk are free already`);
  mkdirSync(claims, { recursive: true });
  const path = join(claims, mark);
  // Readers see all of it or nothing.
  writeFileSync(`${path}.new`, String(left));
  renameSync(`${path}.new`, path);
  return {
    text: `the node has ${mebibytes(left)} of its disk left: ${mebibytes(free - left)} count as taken`,
    heal: async () => rmSync(path, { force: true }),
  };
}

/** The least that a fault which lives leaves of the disk, in bytes; Infinity without one. */
export function leftByClaims(claims = diskClaims, processes = '/proc'): number {
  if (!existsSync(claims)) return Infinity;
  const left = readdirSync(claims)
    .filter((mark) => isFault(processes, mark))
    .map((mark) => readClaim(join(claims, mark)));
  return Math.min(Infinity, ...left);
}

function readClaim(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    // It healed meanwhile.
    return Infinity;
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 ** 2)} MiB`;
}
