export interface VolumeFile {
  /** Relative to the volume. */
  readonly path: string;
  readonly content: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  /** Numeric owner; the node's root when absent. */
  readonly uid?: number;
}

export type FileKind = 'file' | 'directory' | 'socket' | 'char-device' | 'block-device';

/**
 * The machine's files, as far as the kubelet puts volumes into them: the node's own file system, or the simulator's.
 * Paths are absolute. Calls throw Error with words that fit behind `MountVolume.SetUp failed for volume "x" : `.
 */
export interface VolumeFiles {
  /** Makes it and what it lies in. One that is there keeps its mode. */
  makeDirectory(path: string, mode?: number): void;
  writeFile(path: string, content: Uint8Array, mode: number): void;
  readFile(path: string): Uint8Array | undefined;
  exists(path: string): FileKind | undefined;
  /** Names in a directory; none when it is not there. */
  list(path: string): readonly string[];
  /**
   * Makes a directory hold exactly `files`, for readers all at once. With `gid` everything belongs to that group, which may
   * read what the owner may.
   */
  replaceDirectory(path: string, files: readonly VolumeFile[], gid?: number): void;
  /** Makes `path` a directory in memory, `sizeBytes` at most. One that is mounted already stays as it is. */
  mountMemory(path: string, sizeBytes?: number): void;
  /** Gives a volume to a group (`fsGroup`): readable and writable by it, new files included. */
  setGroup(path: string, gid: number): void;
  /**
   * The place inside a volume that a container mounts (`subPath`), made as a directory when it is missing. `mountPoint` is
   * where it may be pinned, so that links inside the volume cannot lead it elsewhere later. Throws when it leads outside.
   */
  openSubPath(volume: string, subPath: string, mountPoint: string): string;
  /** Unmounts what is mounted in it and removes it. */
  remove(path: string): void;
}
