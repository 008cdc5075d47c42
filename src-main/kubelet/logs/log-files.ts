/** The machine's log files, where a runtime writes its containers' output into files. Paths are absolute. */
export interface LogFiles {
  /** Bytes; undefined when there is no such file. */
  size(path: string): Promise<number | undefined>;
  /** Names in a directory; none when it is not there. */
  list(path: string): Promise<readonly string[]>;
  /** Takes the place of a file that is at `to` already. */
  rename(from: string, to: string): Promise<void>;
  /** Writes `from`, gzipped and with its permissions, to `to`. Leaves `from` where it is. */
  compress(from: string, to: string): Promise<void>;
  /** One that is gone already is fine. */
  remove(path: string): Promise<void>;
}
