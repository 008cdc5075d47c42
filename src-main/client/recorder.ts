import type { CoreV1Event } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import { AsyncQueue } from '#base/async-queue';
import type { Cause } from '#base/cause';
import { formatTime, type Clock } from '#base/clock';
import { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { EventRecorder, KubeClient } from './client.ts';
import { EventCorrelator } from './event-correlator.ts';
import { events } from './resources.ts';

export interface RecorderOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** `source.component` and `reportingComponent`: `kubelet`, `default-scheduler`, `deployment-controller`. */
  readonly component: string;
  /** The node's name, for components that run on one. */
  readonly host?: string;
  /** The component's life: its end closes the recorder. */
  readonly life?: Context;
}

interface Waiting {
  readonly event: CoreV1Event;
  readonly cause: Cause;
}

/** More than this many unwritten events: the newest are dropped. client-go `record`, release 1.36, has the same bound. */
const maxWaiting = 1000;
const tries = 3;
const retryAfterMs = 2_000;
const nanosPerMs = 1_000_000n;

let lastNanos = 0n;

/**
 * Nanoseconds since the epoch, as names of events end in them (upstream: `makeEvent` of client-go, release 1.36). Clocks
 * here tick in milliseconds, so this counts on within one: names sort as events happened over all recorders of the
 * process, which is how kubectl shows events of one second. Chance keeps two processes from choosing one name.
 */
function nextNanos(nowMs: number, random: Random): bigint {
  const startNanos = BigInt(Math.floor(nowMs)) * nanosPerMs;
  const sameMs = lastNanos - (lastNanos % nanosPerMs) === startNanos;
  lastNanos = sameMs ? lastNanos + 1n + BigInt(random.integer(500)) : startNanos + BigInt(random.integer(100_000));
  return lastNanos;
}

/**
 * {@link EventRecorder} that writes core/v1 Events one after another in the background (client-go `record`, release
 * 1.36). When the API server stays away an event is dropped with a line in the log; nobody ever waits for one.
 */
export class ApiEventRecorder implements EventRecorder {
  readonly #options: RecorderOptions;
  readonly #correlator: EventCorrelator;
  readonly #queue = new AsyncQueue<Waiting>();
  readonly #context: Context;
  readonly #cancel: () => void;
  #dropped = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#correlator = new EventCorrelator(options.clock);
    ({ context: this.#context, cancel: this.#cancel } = (options.life ?? Context.background()).withCancel());
    this.#context.onEnd(() => this.#queue.end());
    void this.#run();
  }

  event(
    about: KubeObject,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    causeRevision?: string,
    fieldPath?: string,
  ): void {
    if (this.#queue.size >= maxWaiting) {
      this.#dropped++;
      if (this.#dropped % 100 === 1)
        this.#options.logger.warn('too many events waiting: dropped', { dropped: this.#dropped });
      return;
    }
    const { random } = this.#options;
    const revision = causeRevision ?? about.metadata.resourceVersion;
    const cause = { traceId: random.hex(32), spanId: random.hex(16), ...(revision ? { revision } : {}) };
    this.#queue.push({ event: this.#compose(about, type, reason, message, fieldPath), cause });
  }

  /** Events not yet written. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Gives up what is not yet written. */
  close(): void {
    this.#cancel();
  }

  #compose(about: KubeObject, type: string, reason: string, message: string, fieldPath?: string): CoreV1Event {
    const { clock, component, host } = this.#options;
    const { name = '', namespace, uid, resourceVersion } = about.metadata;
    const nowMs = clock.now();
    const timestamp = formatTime(nowMs);
    const suffix = nextNanos(nowMs, this.#options.random).toString(16);
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${name}.${suffix}`, namespace: namespace || 'default' },
      involvedObject: {
        kind: about.kind,
        ...(namespace ? { namespace } : {}),
        name,
        ...(uid ? { uid } : {}),
        apiVersion: about.apiVersion,
        ...(resourceVersion ? { resourceVersion } : {}),
        ...(fieldPath ? { fieldPath } : {}),
      },
      reason,
      message,
      source: { component, ...(host ? { host } : {}) },
      firstTimestamp: timestamp,
      lastTimestamp: timestamp,
      count: 1,
      type,
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
  }

  async #run(): Promise<void> {
    for await (const { event, cause } of this.#queue) {
      if (this.#context.ended) return;
      const { context, cancel } = this.#context.withCancel();
      try {
        await this.#write(context.withCause(cause), event);
      } catch (error) {
        if (this.#context.ended) return;
        this.#options.logger.warn('event dropped', {
          reason: event.reason,
          about: `${event.involvedObject.kind} ${event.involvedObject.name}`,
          error: messageOf(error),
        });
      } finally {
        cancel();
      }
    }
  }

  async #write(context: Context, event: CoreV1Event): Promise<void> {
    const correlated = this.#correlator.correlate(event);
    if (!correlated) return;
    const { key, message, observed } = correlated;
    const { namespace = '' } = event.metadata;
    if (observed) {
      const count = observed.count + 1;
      const patch = { count, message, lastTimestamp: event.lastTimestamp };
      try {
        await this.#try(context, () =>
          this.#events().patch(context, namespace, observed.name, 'merge', patch, {
            fieldManager: this.#options.component,
          }),
        );
        this.#correlator.remember(key, { ...observed, count });
        return;
      } catch (error) {
        // The server forgets events after an hour: then the count starts again.
        if (!isStatus(error, 'NotFound')) throw error;
        this.#correlator.forget(key);
      }
    }
    await this.#try(context, () => this.#events().create(context, { ...event, message }));
    const { name = '' } = event.metadata;
    this.#correlator.remember(key, { name, count: 1, firstTimestamp: event.firstTimestamp ?? '' });
  }

  #events() {
    return this.#options.client.resource<CoreV1Event>(events);
  }

  /** Runs `attempt` again only where waiting can help: the server was not there, or asked for patience. */
  async #try(context: Context, attempt: () => Promise<unknown>): Promise<void> {
    for (let left = tries - 1; ; left--) {
      try {
        await attempt();
        return;
      } catch (error) {
        const worthWaiting = isStatus(error, 'ServiceUnavailable', 'TooManyRequests', 'Timeout', 'ServerTimeout');
        if (left === 0 || !worthWaiting || error instanceof CancelledError) throw error;
        await this.#options.clock.sleep(context, retryAfterMs);
      }
    }
  }
}
