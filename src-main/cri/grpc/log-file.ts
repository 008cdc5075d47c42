import { watch, type FSWatcher } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import type { LogOptions, LogRecord } from '../cri.ts';
import { lineFeed, LineSplitter, parseLogLine } from './log-format.ts';

const chunkBytes = 64 * 1024;
/** How often a follower looks by itself, for file systems that tell of no changes and for the container's end. */
const lookMs = 1000;
/** How long after rotation a runtime may still write what it was about to into the old file. */
const settleMs = 100;

export interface LogFileOptions extends LogOptions {
  readonly clock: Clock;
  /** Whether the container may still write. Once it may not, following ends with the file. */
  readonly running: () => Promise<boolean>;
}

/** The records of a log in CRI's format. A file that is not there yet is an empty one. */
export async function* readLogFile(context: Context, path: string, options: LogFileOptions): AsyncGenerator<LogRecord> {
  const change = new FileChange(path, options.clock);
  let file = await openIfThere(path);
  /** What follows `file` once that is read to its end. */
  let next: FileHandle | undefined;
  try {
    let running = options.follow && (await options.running());
    let at = file && options.tailLines !== undefined ? await tailStart(file, options.tailLines) : 0;
    for (;;) {
      if (file) {
        for await (const { record, end } of recordsFrom(file, at)) {
          at = end;
          if (record && (options.sinceMs === undefined || record.timeMs >= options.sinceMs)) yield record;
          if (context.ended) return;
        }
      }
      if (next) {
        await file?.close();
        [file, at, next] = [next, 0, undefined];
        continue;
      }
      next = await replacement(file, path);
      if (next) {
        // Between the last read and the rotation more may have been written: the old file is read to its end again.
        if (file && running) await options.clock.sleep(Context.background(), settleMs);
        continue;
      }
      if (!running || context.ended) return;
      // What a container wrote before it ended is there when its runtime says so: then one more look is the last.
      if (!(await change.wait(context))) running = await options.running();
      if (file && (await file.stat()).size < at) at = 0;
    }
  } finally {
    change.close();
    await file?.close();
    await next?.close();
  }
}

/** The whole lines from `at` on, and where each ends; a line that is not whole yet is left for later. */
async function* recordsFrom(
  file: FileHandle,
  at: number,
): AsyncGenerator<{ readonly record: LogRecord | undefined; readonly end: number }> {
  const splitter = new LineSplitter();
  let end = at;
  for (let next = at; ;) {
    const chunk = await readChunk(file, next);
    if (chunk.length === 0) return;
    next += chunk.length;
    for (const line of splitter.push(chunk)) {
      end += line.length + 1;
      yield { record: parseLogLine(line), end };
    }
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Another file that has taken the place of the one being read, after rotation; or the first. */
async function replacement(file: FileHandle | undefined, path: string): Promise<FileHandle | undefined> {
  if (!file) return openIfThere(path);
  const inode = (await file.stat()).ino;
  const current = await stat(path).catch(() => undefined);
  return current === undefined || current.ino === inode ? undefined : openIfThere(path);
}

async function readChunk(file: FileHandle, at: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(chunkBytes);
  const { bytesRead } = await file.read(buffer, 0, chunkBytes, at);
  return buffer.subarray(0, bytesRead);
}

/** Where the last so many lines begin. The records of one long line, all but the last of them partial, count as one. */
async function tailStart(file: FileHandle, lines: number): Promise<number> {
  let start: number | undefined;
  let left = lines;
  for await (const { line, from, to } of linesBackwards(file)) {
    if (start === undefined || !parseLogLine(line)?.partial) {
      if (left === 0) return start ?? to;
      left--;
    }
    start = from;
  }
  return start ?? 0;
}

/** The whole lines of a file, last first, with their places. */
async function* linesBackwards(
  file: FileHandle,
): AsyncGenerator<{ readonly line: Buffer; readonly from: number; readonly to: number }> {
  let start = (await file.stat()).size;
  let bytes: Buffer = Buffer.alloc(0);
  let whole = false;
  for (;;) {
    if (!whole) {
      bytes = bytes.subarray(0, bytes.lastIndexOf(lineFeed) + 1);
      whole = bytes.length > 0;
    }
    const feed = bytes.length > 1 ? bytes.lastIndexOf(lineFeed, bytes.length - 2) : -1;
    if (bytes.length > 0 && (feed >= 0 || start === 0)) {
      yield { line: bytes.subarray(feed + 1, -1), from: start + feed + 1, to: start + bytes.length };
      bytes = bytes.subarray(0, feed + 1);
      continue;
    }
    if (start === 0) return;
    const size = Math.min(chunkBytes, start);
    start -= size;
    bytes = Buffer.concat([(await readChunk(file, start)).subarray(0, size), bytes]);
  }
}

/** Wakes a follower when something happens in the log's folder, and from time to time. */
class FileChange {
  readonly #clock: Clock;
  #watcher: FSWatcher | undefined;
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(path: string, clock: Clock) {
    this.#clock = clock;
    try {
      this.#watcher = watch(dirname(path), () => this.#notify());
      this.#watcher.on('error', () => this.close());
    } catch {
      // No folder, or no watches left: the clock alone wakes.
      this.#watcher = undefined;
    }
  }

  /** Answers false when only time has passed. */
  async wait(context: Context): Promise<boolean> {
    if (!this.#changed) {
      const woken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const [timer, ending] = [this.#clock.setTimer(lookMs, () => this.#wake?.()), context.onEnd(() => this.#wake?.())];
      await woken;
      timer.dispose();
      ending.dispose();
    }
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #notify(): void {
    this.#changed = true;
    this.#wake?.();
  }
}
