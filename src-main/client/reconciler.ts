import { Backoff } from '#base/backoff';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { Pacer } from '#base/pacer';
import type { Random } from '#base/random';
import { isStatus } from '#api/machinery/status';
import type { Reconciler, ReconcilerOptions } from './client.ts';

/** client-go `workqueue.DefaultItemBasedRateLimiter`, release 1.36. */
const retryPolicy = { initialMs: 5, factor: 2, maxMs: 1_000_000, jitter: 0 };

export interface ReconcilerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** A queue of keys with workers that run `options.sync` on them. */
export function createReconciler(options: ReconcilerOptions & ReconcilerParts): Reconciler {
  return new QueueReconciler(options);
}

/**
 * client-go's work queue and the worker loop every controller writes around it. A key is in at most one of:
 *
 *   queue       waiting for a worker, in order of arrival
 *   processing  being worked on
 *
 * and `dirty` holds every key that still needs a run. A key enqueued while it is processed goes into `dirty` only and
 * into `queue` when its run is over:
 *
 *   enqueue a            dirty {a}  queue [a]  processing {}
 *   worker takes a       dirty {}   queue []   processing {a}
 *   enqueue a            dirty {a}  queue []   processing {a}
 *   worker is done       dirty {a}  queue [a]  processing {}
 */
class QueueReconciler implements Reconciler {
  readonly #options: ReconcilerOptions & ReconcilerParts;
  readonly #dirty = new Set<string>();
  readonly #processing = new Set<string>();
  #queue: string[] = [];
  #head = 0;
  readonly #causes = new Map<string, string>();
  readonly #backoffs = new Map<string, Backoff>();
  /** Per key the earliest of its delayed adds. */
  readonly #delayed = new Map<string, { readonly dueMs: number; readonly timer: Disposable }>();
  readonly #pacer = new Pacer();
  #context: Context | undefined;
  #cancel: (() => void) | undefined;
  #pumping = false;
  readonly #idleWaiters: (() => void)[] = [];

  constructor(options: ReconcilerOptions & ReconcilerParts) {
    this.#options = options;
  }

  get length(): number {
    return this.#queue.length - this.#head;
  }

  enqueue(key: string, causeRevision?: string): void {
    if (causeRevision !== undefined && isNewer(causeRevision, this.#causes.get(key)))
      this.#causes.set(key, causeRevision);
    if (this.#dirty.has(key)) return;
    this.#dirty.add(key);
    if (this.#processing.has(key)) return;
    this.#queue.push(key);
    this.#pump();
  }

  enqueueAfter(key: string, delayMs: number, causeRevision?: string): void {
    if (delayMs <= 0) {
      this.enqueue(key, causeRevision);
      return;
    }
    const dueMs = this.#options.clock.now() + delayMs;
    const waiting = this.#delayed.get(key);
    if (waiting && waiting.dueMs <= dueMs) return;
    waiting?.timer.dispose();
    const timer = this.#options.clock.setTimer(delayMs, () => {
      this.#delayed.delete(key);
      this.enqueue(key, causeRevision);
    });
    this.#delayed.set(key, { dueMs, timer });
  }

  start(context: Context): void {
    const { context: own, cancel } = context.withCancel();
    this.#context = own;
    this.#cancel = cancel;
    own.onEnd(() => {
      for (const { timer } of this.#delayed.values()) timer.dispose();
      this.#delayed.clear();
    });
    this.#pump();
  }

  async stop(): Promise<void> {
    this.#cancel?.();
    if (this.#processing.size === 0) return;
    await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  #pump(): void {
    if (this.#pumping || !this.#context || this.#context.ended) return;
    this.#pumping = true;
    void this.#startWork(this.#context).finally(() => {
      this.#pumping = false;
      // Work may have come, or a worker may have become free, after the loop had looked.
      if (this.length > 0 && this.#processing.size < this.#options.workers) this.#pump();
    });
  }

  async #startWork(context: Context): Promise<void> {
    // A microtask first: the handlers that enqueue are in the middle of a batch.
    await undefined;
    while (!context.ended && this.#processing.size < this.#options.workers) {
      const key = this.#take();
      if (key === undefined) return;
      this.#processing.add(key);
      this.#dirty.delete(key);
      void this.#work(context, key);
      if (this.#pacer.due) await this.#pacer.pace();
    }
  }

  #take(): string | undefined {
    const key = this.#queue[this.#head];
    if (key === undefined) return undefined;
    this.#head++;
    if (this.#head === this.#queue.length || this.#head > 4096) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return key;
  }

  async #work(context: Context, key: string): Promise<void> {
    const { random, sync } = this.#options;
    const revision = this.#causes.get(key);
    this.#causes.delete(key);
    const { context: own, cancel } = context.withCancel();
    const cause = { traceId: random.hex(32), spanId: random.hex(16), ...(revision === undefined ? {} : { revision }) };
    try {
      await sync(own.withCause(cause), key);
      this.#backoffs.delete(key);
    } catch (error) {
      if (!context.ended) this.#retry(key, revision, error);
    } finally {
      cancel();
      this.#done(key);
    }
  }

  #retry(key: string, revision: string | undefined, error: unknown): void {
    const { name, logger, random } = this.#options;
    let backoff = this.#backoffs.get(key);
    if (!backoff) {
      backoff = new Backoff(retryPolicy, random);
      this.#backoffs.set(key, backoff);
    }
    const delayMs = backoff.next();
    const expected = isStatus(error, 'Conflict') || error instanceof CancelledError;
    logger[expected ? 'debug' : 'warn'](`${name}: sync failed, will try again`, {
      key,
      delayMs,
      error: messageOf(error),
    });
    this.enqueueAfter(key, delayMs, revision);
  }

  #done(key: string): void {
    this.#processing.delete(key);
    if (this.#dirty.has(key)) this.#queue.push(key);
    if (this.#processing.size === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve();
    this.#pump();
  }
}

function isNewer(revision: string, than: string | undefined): boolean {
  return than === undefined || revision.length > than.length || (revision.length === than.length && revision > than);
}
