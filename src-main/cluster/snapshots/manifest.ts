import { createHash } from 'node:crypto';
import { ClusterError } from '../errors.ts';
import { asArray, asNumber, asRecord, asText } from '../json-fields.ts';

/** Raised when an older Drydock could not read the file. */
export const formatVersion = 1;
const kind = 'drydock-lab-snapshot';

/** One file of the lab, as it is in the snapshot. */
export interface SnapshotEntry {
  /** Below the lab's folder: `pki/ca.key`. */
  readonly path: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** What a snapshot says of itself: its first entry, `manifest.json`. */
export interface SnapshotManifest {
  /** Of the Drydock that made it. */
  readonly version: string;
  readonly lab: string;
  readonly driver: string;
  readonly masters: number;
  readonly workers: number;
  readonly createdAtMs: number;
  readonly files: readonly SnapshotEntry[];
}

export function encodeManifest(manifest: SnapshotManifest): string {
  return `${JSON.stringify({ kind, formatVersion, ...manifest }, null, 2)}\n`;
}

/** Throws ClusterError INVALID for what is no manifest of ours, or one of a newer format. `file` is named in it. */
export function decodeManifest(file: string, text: string): SnapshotManifest {
  try {
    const record = asRecord(JSON.parse(text), 'its manifest');
    if (record['kind'] !== kind) throw new ClusterError('INVALID', `${file} is no snapshot of a Drydock lab`);
    const format = asNumber(record['formatVersion'], 'formatVersion');
    if (format > formatVersion) throw newer(file, format, record['version']);
    return {
      version: asText(record['version'], 'version'),
      lab: asText(record['lab'], 'lab'),
      driver: asText(record['driver'], 'driver'),
      masters: asNumber(record['masters'], 'masters'),
      workers: asNumber(record['workers'], 'workers'),
      createdAtMs: asNumber(record['createdAtMs'], 'createdAtMs'),
      files: asArray(record['files'], 'files').map(decodeEntry),
    };
  } catch (error) {
    throw error instanceof ClusterError ? error : damaged(file, error);
  }
}

/** Only names that {@link saveSnapshot} gives: nothing outside the lab's folder can be meant. */
const safePath = /^(lab\.json|etcd\/data\.mdb|pki\/[A-Za-z0-9][A-Za-z0-9._-]*)$/;

function decodeEntry(value: unknown): SnapshotEntry {
  const record = asRecord(value, 'a file');
  const path = asText(record['path'], 'path');
  if (!safePath.test(path)) throw new Error(`it has the file ${path}`);
  return { path, bytes: asNumber(record['bytes'], 'bytes'), sha256: asText(record['sha256'], 'sha256') };
}

function newer(file: string, format: number, version: unknown): ClusterError {
  const maker = typeof version === 'string' ? `Drydock ${version}` : 'a newer Drydock';
  return new ClusterError(
    'INVALID',
    `${file} was made by ${maker} in format ${format}, this one reads up to ${formatVersion}; restore it with that version`,
  );
}

export function damaged(file: string, cause: unknown): ClusterError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ClusterError('INVALID', `${file} is damaged (${why}); nothing was restored`, { cause });
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}
