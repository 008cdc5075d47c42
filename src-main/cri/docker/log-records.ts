import type { LogRecord } from '../cri.ts';

/** The engine cuts longer lines into messages of exactly this size, as containerd does. */
const maxMessageBytes = 16 * 1024;
/** `2026-01-02T03:04:05.678901234Z ` */
const stampBytes = 31;
const lineFeed = 0x0a;

/**
 * Cuts the engine's answer into records, however it arrives. Without a terminal every message is a frame of its own (stream
 * number and length in 8 bytes, then a time, a space and the text); with one there is text alone.
 */
export class LogDecoder {
  readonly #tty: boolean;
  #rest: Buffer = Buffer.alloc(0);

  constructor(tty: boolean) {
    this.#tty = tty;
  }

  push(chunk: Buffer): readonly LogRecord[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const records: LogRecord[] = [];
    for (let next = this.#next(); next; next = this.#next()) {
      records.push(next.record);
      this.#rest = this.#rest.subarray(next.bytes);
    }
    return records;
  }

  /** What is left when the answer ends: the last words of a program that did not end its line. */
  end(): readonly LogRecord[] {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return this.#tty && rest.length > stampBytes ? [recordOf('stdout', rest)] : [];
  }

  #next(): { readonly record: LogRecord; readonly bytes: number } | undefined {
    return this.#tty ? nextLine(this.#rest) : nextFrame(this.#rest);
  }
}

type Cut = { readonly record: LogRecord; readonly bytes: number } | undefined;

function nextFrame(bytes: Buffer): Cut {
  if (bytes.length < 8) return undefined;
  const end = 8 + bytes.readUInt32BE(4);
  if (bytes.length < end) return undefined;
  return { record: recordOf(bytes[0] === 2 ? 'stderr' : 'stdout', bytes.subarray(8, end)), bytes: end };
}

/** A line, or as much of it as one message holds: then another time follows without a line feed between. */
function nextLine(bytes: Buffer): Cut {
  const feed = bytes.indexOf(lineFeed, stampBytes);
  const full = stampBytes + maxMessageBytes;
  if (feed >= 0 && feed < full) return { record: recordOf('stdout', bytes.subarray(0, feed + 1)), bytes: feed + 1 };
  return bytes.length < full ? undefined : { record: recordOf('stdout', bytes.subarray(0, full)), bytes: full };
}

function recordOf(stream: 'stdout' | 'stderr', message: Buffer): LogRecord {
  const timestamp = message.toString('latin1', 0, stampBytes - 1);
  const partial = message.at(-1) !== lineFeed;
  const text = Uint8Array.from(message.subarray(stampBytes, partial ? message.length : -1));
  return { timestamp, timeMs: Date.parse(timestamp), stream, text, partial };
}

/** Where the last so many lines begin. The records of one long line, all but the last of them partial, count as one. */
export function tailStart(records: readonly LogRecord[], lines: number): number {
  let left = lines;
  let start = records.length;
  for (let index = records.length - 1; index >= 0; index--) {
    if (start === records.length || !records[index]?.partial) {
      if (left === 0) return start;
      left--;
    }
    start = index;
  }
  return start;
}

/**
 * Finds the place again in a log that is asked for once more from the time of the last record on: several records may have
 * that time, the parts of a long line always do.
 */
export class LogPlace {
  #timestamp: string | undefined;
  #seen = new Map<string, number>();
  #again = new Map<string, number>();

  /** What to ask for; undefined for everything. */
  get since(): string | undefined {
    if (this.#timestamp === undefined) return undefined;
    const nanos = this.#timestamp.slice(20, 29);
    return `${Math.floor(Date.parse(this.#timestamp) / 1000)}.${nanos}`;
  }

  /** The next records come from a new answer. */
  reopened(): void {
    this.#again = new Map(this.#seen);
  }

  /** Whether the record is a new one. */
  pass(record: LogRecord): boolean {
    const key = `${record.timestamp} ${record.stream} ${record.text.length}`;
    const again = this.#again.get(key) ?? 0;
    if (again > 0) {
      this.#again.set(key, again - 1);
      return false;
    }
    if (this.#timestamp !== record.timestamp) this.#seen = new Map();
    this.#timestamp = record.timestamp;
    this.#seen.set(key, (this.#seen.get(key) ?? 0) + 1);
    return true;
  }
}
