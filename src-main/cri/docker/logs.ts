import type { Readable } from 'node:stream';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CriError, type LogOptions, type LogRecord } from '../cri.ts';
import type { ScopedContainers } from './containers.ts';
import type { DockerConnection } from './engine.ts';
import { failedToStart } from './status.ts';
import { LogDecoder, LogPlace, tailStart } from './log-records.ts';

/** How long a log that broke off, or has not begun, is left alone. */
const againMs = 250;

/** One container's log in the engine. */
export class DockerLog {
  readonly clock: Clock;
  readonly tty: boolean;
  readonly #connection: DockerConnection;
  readonly #containers: ScopedContainers;
  readonly #id: string;

  constructor(connection: DockerConnection, containers: ScopedContainers, clock: Clock, id: string, tty: boolean) {
    this.#connection = connection;
    this.#containers = containers;
    this.#id = id;
    this.clock = clock;
    this.tty = tty;
  }

  /** The last `tail` messages, or all. */
  read(context: Context, tail: number | undefined): Promise<Buffer> {
    const options = { ...allStreams, follow: false as const, ...(tail === undefined ? {} : { tail }) };
    return this.#connection.call(context, (docker) => docker.getContainer(this.#id).logs(options));
  }

  /** Everything since a time, and then more until the container ends or the connection breaks. */
  async follow(context: Context, since: string | undefined): Promise<Readable> {
    const options = { ...allStreams, follow: true as const, ...(since === undefined ? {} : { since }) };
    return (await this.#connection.call(context, (docker) => docker.getContainer(this.#id).logs(options))) as Readable;
  }

  async state(context: Context): Promise<'waiting' | 'running' | 'ended' | 'unknown'> {
    try {
      const { facts } = await this.#containers.container(context, this.#id);
      if (facts.State.Running) return 'running';
      return facts.State.Status === 'created' && !failedToStart(facts.State) ? 'waiting' : 'ended';
    } catch (error) {
      if (context.ended || (error instanceof CriError && error.code === 'NotFound')) return 'ended';
      return 'unknown';
    }
  }
}

const allStreams = { stdout: true, stderr: true, timestamps: true };

/** The records of a container's log, over broken connections and restarts of the engine. */
export async function* readLog(context: Context, source: DockerLog, options: LogOptions): AsyncGenerator<LogRecord> {
  const { sinceMs, tailLines, follow } = options;
  const wanted = (record: LogRecord): boolean => sinceMs === undefined || record.timeMs >= sinceMs;
  const place = new LogPlace();
  if (!follow || tailLines !== undefined) {
    const { records, start } = await lastLines(context, source, tailLines);
    for (const [index, record] of records.entries()) {
      place.pass(record);
      if (index >= start && wanted(record)) yield record;
      if (context.ended) return;
    }
  }
  while (follow && !context.ended) {
    const before = await source.state(context);
    if (before === 'running' || before === 'ended') {
      place.reopened();
      for await (const record of following(context, source, place)) if (wanted(record)) yield record;
    }
    if (before === 'ended' || context.ended) return;
    const after = await source.state(context);
    if (after === 'ended' && before === 'running') continue;
    if (after === 'ended') return;
    await source.clock.sleep(context, againMs).catch(() => undefined);
  }
}

/** The engine counts messages, not lines: it is asked for more until the first line is whole. */
async function lastLines(
  context: Context,
  source: DockerLog,
  lines: number | undefined,
): Promise<{ readonly records: readonly LogRecord[]; readonly start: number }> {
  if (lines === undefined) return { records: decode(source, await source.read(context, undefined)), start: 0 };
  for (let ask = Math.max(lines, 1) + 1; ; ask *= 4) {
    const records = decode(source, await source.read(context, ask));
    const whole = tailStart(records, Math.max(lines, 1)) > 0 || records.length < ask;
    if (whole) return { records, start: tailStart(records, lines) };
  }
}

function decode(source: DockerLog, bytes: Buffer): readonly LogRecord[] {
  const decoder = new LogDecoder(source.tty);
  return [...decoder.push(bytes), ...decoder.end()];
}

/** One connection's worth of a followed log; ends when it does, for whatever reason. */
async function* following(context: Context, source: DockerLog, place: LogPlace): AsyncGenerator<LogRecord> {
  const decoder = new LogDecoder(source.tty);
  const body = await source.follow(context, place.since);
  const end = context.onEnd(() => body.destroy());
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    for (;;) {
      // A connection that breaks ends the answer: what the container's state is decides how it goes on.
      const next = await chunks.next().catch(() => undefined);
      if (context.ended) return;
      for (const record of next && !next.done ? decoder.push(next.value) : decoder.end()) {
        if (place.pass(record)) yield record;
        if (context.ended) return;
      }
      if (!next || next.done) return;
    }
  } finally {
    end.dispose();
    body.destroy();
  }
}
