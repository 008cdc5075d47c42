import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { LogOptions, LogRecord } from '../cri.ts';

/** The longest line kept whole; containerd splits longer ones into partial records at the same length. */
const maxLineBytes = 16 * 1024;

/** A container's log, kept in memory and bounded as the kubelet bounds log files by rotation. */
export class ContainerLog {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  #records: LogRecord[] = [];
  /** Number of the first kept record: records dropped by rotation keep counting. */
  #firstNumber = 0;
  #bytes = 0;
  #lastNanos = 0n;
  #ended = false;
  readonly #open = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  #waiting: (() => void)[] = [];

  constructor(clock: Clock, maxBytes = 2 * 1024 * 1024) {
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  write(stream: 'stdout' | 'stderr', chunk: Uint8Array): void {
    let rest = this.#open[stream].length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#open[stream], chunk]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      this.#appendLine(stream, rest.subarray(0, end));
      rest = rest.subarray(end + 1);
    }
    while (rest.length >= maxLineBytes) {
      this.#append(stream, rest.subarray(0, maxLineBytes), true);
      rest = rest.subarray(maxLineBytes);
    }
    this.#open[stream] = rest;
    this.#wake();
  }

  /** The process ended: what has no line feed yet is kept as a partial record, and followers finish. */
  end(): void {
    if (this.#ended) return;
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#open[stream].length > 0) this.#append(stream, this.#open[stream], true);
      this.#open[stream] = Buffer.alloc(0);
    }
    this.#ended = true;
    this.#wake();
  }

  async *read(context: Context, options: LogOptions): AsyncGenerator<LogRecord> {
    let next = this.#firstNumber;
    if (options.tailLines !== undefined) next = this.#tailStart(options.tailLines);
    for (;;) {
      next = Math.max(next, this.#firstNumber);
      const record = this.#records[next - this.#firstNumber];
      if (record) {
        next++;
        if (options.sinceMs === undefined || record.timeMs >= options.sinceMs) yield record;
      } else if (this.#ended || !options.follow || context.ended) {
        return;
      } else {
        await this.#wait(context);
      }
    }
  }

  /** The last bytes of the log as text, for a container's termination message. */
  tailText(maxLines: number, maxBytes: number): string {
    const records = this.#records.slice(this.#tailStart(maxLines) - this.#firstNumber);
    const text = records
      .map((record) => Buffer.from(record.text).toString('utf8') + (record.partial ? '' : '\n'))
      .join('');
    return text.length > maxBytes ? text.slice(text.length - maxBytes) : text;
  }

  #tailStart(lines: number): number {
    let index = this.#records.length;
    for (let left = lines; index > 0 && left > 0; index--) {
      const before = this.#records[index - 2];
      if (!before?.partial) left--;
    }
    return this.#firstNumber + index;
  }

  #appendLine(stream: 'stdout' | 'stderr', line: Buffer): void {
    let rest = line;
    while (rest.length > maxLineBytes) {
      this.#append(stream, rest.subarray(0, maxLineBytes), true);
      rest = rest.subarray(maxLineBytes);
    }
    this.#append(stream, rest, false);
  }

  #append(stream: 'stdout' | 'stderr', text: Buffer, partial: boolean): void {
    const timeMs = this.#clock.now();
    // Two lines of one millisecond still get times in order, as on a machine with a finer clock.
    const nanos = BigInt(Math.floor(timeMs)) * 1_000_000n;
    this.#lastNanos = nanos > this.#lastNanos ? nanos : this.#lastNanos + 1_000n;
    const fraction = String(this.#lastNanos % 1_000_000_000n).padStart(9, '0');
    const timestamp = `${new Date(Number(this.#lastNanos / 1_000_000n)).toISOString().slice(0, 19)}.${fraction}Z`;
    this.#records.push({ timestamp, timeMs, stream, text: Uint8Array.from(text), partial });
    this.#bytes += text.length + 64;
    if (this.#bytes > this.#maxBytes) this.#rotate();
  }

  /** Drops the older half, as rotation leaves the newest file. */
  #rotate(): void {
    const drop = Math.floor(this.#records.length / 2);
    for (const record of this.#records.slice(0, drop)) this.#bytes -= record.text.length + 64;
    this.#records = this.#records.slice(drop);
    this.#firstNumber += drop;
  }

  #wait(context: Context): Promise<void> {
    return new Promise((resolve) => {
      const registration = context.onEnd(resolve);
      this.#waiting.push(() => {
        registration.dispose();
        resolve();
      });
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
