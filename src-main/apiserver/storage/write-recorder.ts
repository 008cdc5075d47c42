import type { Cause, WriteRecord } from '#base/cause';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Random } from '#base/random';
import type { EtcdClient } from '#etcd/client';
import { revision } from '#etcd/client';

/** Who asked for a write, and in which words; the part of a {@link WriteRecord} that the request knows. */
export interface WriteOrigin {
  readonly user: string;
  readonly userAgent: string;
  /** For example `create pods default/web-0`. */
  readonly request: string;
  readonly cause: Cause | undefined;
}

interface Trace {
  readonly traceId: string;
}

/**
 * Makes the records that are kept beside store revisions. A write that answers a watched change continues that change's
 * trace, whatever trace its request claims, so that a chain started by one person is one trace from end to end. The traces
 * of recent revisions are kept in memory; older ones are read back from the store once.
 */
export class WriteRecorder {
  readonly #etcd: EtcdClient;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #traces = new Map<string, Trace>();
  readonly #limit: number;

  constructor(etcd: EtcdClient, clock: Clock, random: Random, limit = 4096) {
    this.#etcd = etcd;
    this.#clock = clock;
    this.#random = random;
    this.#limit = limit;
  }

  async record(context: Context, origin: WriteOrigin): Promise<WriteRecord> {
    const { cause } = origin;
    const causedBy = cause?.revision;
    const inherited = causedBy === undefined ? undefined : await this.#traceOf(context, causedBy);
    return {
      user: origin.user,
      userAgent: origin.userAgent,
      request: origin.request,
      traceId: inherited?.traceId ?? cause?.traceId ?? this.#random.hex(32),
      spanId: cause?.spanId ?? this.#random.hex(16),
      ...(causedBy === undefined ? {} : { causedBy }),
      timeMs: this.#clock.now(),
    };
  }

  /** Remembers that `record` was kept beside `atRevision`. */
  written(atRevision: number, record: WriteRecord): void {
    this.#keep(String(atRevision), { traceId: record.traceId });
  }

  async #traceOf(context: Context, resourceVersion: string): Promise<Trace | undefined> {
    const known = this.#traces.get(resourceVersion);
    if (known) return known;
    const at = Number(resourceVersion);
    if (!Number.isSafeInteger(at) || at <= 0) return undefined;
    const [entry] = await this.#etcd.records(context, revision(at), revision(at));
    if (!entry) return undefined;
    const trace = { traceId: (JSON.parse(entry.record) as WriteRecord).traceId };
    this.#keep(resourceVersion, trace);
    return trace;
  }

  #keep(resourceVersion: string, trace: Trace): void {
    this.#traces.set(resourceVersion, trace);
    if (this.#traces.size <= this.#limit) return;
    for (const oldest of this.#traces.keys()) {
      this.#traces.delete(oldest);
      return;
    }
  }
}
