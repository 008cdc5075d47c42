import type { LogRecord } from '../cri.ts';

const space = 0x20;
export const lineFeed = 0x0a;

/** `2026-01-02T03:04:05.6Z stdout F the text`, without the line feed. Undefined for anything else. */
export function parseLogLine(line: Buffer): LogRecord | undefined {
  const first = line.indexOf(space);
  const second = first < 0 ? -1 : line.indexOf(space, first + 1);
  const third = second < 0 ? -1 : line.indexOf(space, second + 1);
  const timestamp = nineDecimals(line.toString('latin1', 0, Math.max(0, first)));
  const stream = line.toString('latin1', first + 1, second);
  if (third < 0 || timestamp === undefined || (stream !== 'stdout' && stream !== 'stderr')) return undefined;
  const tags = line.toString('latin1', second + 1, third).split(':');
  const text = Uint8Array.from(line.subarray(third + 1));
  return { timestamp, timeMs: Date.parse(timestamp), stream, text, partial: tags[0] === 'P' };
}

const rfc3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** Runtimes leave out the fraction's last zeros; times of two lines are compared as text. */
function nineDecimals(text: string): string | undefined {
  const match = rfc3339.exec(text);
  if (!match) return undefined;
  return `${match[1]}.${(match[2] ?? '').padEnd(9, '0')}${match[3]}`;
}

/** Cuts bytes, however they arrive, into lines without their line feed. */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): readonly Buffer[] {
    const lines: Buffer[] = [];
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed)) {
      lines.push(bytes.subarray(0, end));
      bytes = bytes.subarray(end + 1);
    }
    // A copy, so that a small rest does not keep a large chunk alive.
    this.#rest = Buffer.from(bytes);
    return lines;
  }
}
