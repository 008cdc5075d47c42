import { isStatus, StatusError } from '#api/machinery/status';
import type { KubeObject } from '#api/machinery/object';
import { Backoff } from '#base/backoff';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { Pacer } from '#base/pacer';
import type { Random } from '#base/random';
import type { ListOptions, ResourceClient } from './client.ts';

/** Where a reflector puts what it sees. Calls come in event order, one at a time. */
export interface ReflectorSink<T extends KubeObject> {
  /** The whole truth at one moment: what is not in `objects` is gone. */
  replace(objects: readonly T[]): Promise<void>;
  upsert(object: T): void;
  remove(object: T): void;
}

export interface ReflectorOptions<T extends KubeObject> {
  readonly resource: ResourceClient<T>;
  readonly sink: ReflectorSink<T>;
  readonly select: Pick<ListOptions, 'namespace' | 'fieldSelector' | 'labelSelector'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

const listPageSize = 500;
/** Shorter than client-go's 0.8..30 s: a lab's API server is on the same machine and is killed and started all day. */
const retryPolicy = { initialMs: 100, factor: 2, maxMs: 5_000, jitter: 0.5 };

/**
 * Mirrors one resource into a sink: lists, then watches from the list's resourceVersion, and lists again only when the
 * server has forgotten that version (client-go `cache.Reflector`, release 1.36).
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #backoff: Backoff;
  readonly #pacer = new Pacer();
  /** Where the next watch starts; undefined when a list has to come first. */
  #resourceVersion: string | undefined;
  /** Said once: a server that is down comes back by itself, one that refuses has to be told about by somebody. */
  #refused = false;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#backoff = new Backoff(retryPolicy, options.random);
  }

  /** Runs until `context` ends; then resolves. */
  async run(context: Context): Promise<void> {
    const { clock, logger, resource } = this.#options;
    while (!context.ended) {
      try {
        if (this.#resourceVersion === undefined) await this.#list(context);
        const events = await this.#watch(context);
        this.#refused = false;
        if (events > 0) this.#backoff.reset();
        else await clock.sleep(context, this.#backoff.next());
      } catch (error) {
        if (context.ended || error instanceof CancelledError) return;
        if (isStatus(error, 'Expired', 'Gone')) this.#resourceVersion = undefined;
        const delayMs = this.#backoff.next();
        const note = { resource: resource.resource.resource, error: messageOf(error), delayMs: Math.round(delayMs) };
        if (isRefusal(error) && !this.#refused) logger.warn('list or watch was refused, will try again', note);
        else logger.debug('list or watch failed, will try again', note);
        this.#refused = isRefusal(error);
        await sleepUnlessEnded(clock, context, delayMs);
      }
    }
  }

  async #list(context: Context): Promise<void> {
    const { resource, select, sink } = this.#options;
    const objects: T[] = [];
    let token: string | undefined;
    let resourceVersion = '';
    do {
      const page = await resource.list(context, {
        ...select,
        limit: listPageSize,
        ...(token ? { continue: token } : {}),
      });
      objects.push(...page.items);
      resourceVersion = page.metadata.resourceVersion;
      token = page.metadata.continue;
    } while (token);
    await sink.replace(objects);
    this.#resourceVersion = resourceVersion;
  }

  /** Follows one watch to its end and returns the number of frames that came. */
  async #watch(context: Context): Promise<number> {
    const { resource, select, sink } = this.#options;
    const resourceVersion = this.#resourceVersion ?? '';
    const events = await resource.watch(context, { ...select, resourceVersion, allowWatchBookmarks: true });
    let count = 0;
    for await (const event of events) {
      if (context.ended) break;
      count++;
      if (event.type === 'ERROR') throw StatusError.fromWire(500, event.object);
      if (event.type === 'DELETED') sink.remove(event.object);
      else if (event.type !== 'BOOKMARK') sink.upsert(event.object);
      this.#resourceVersion = event.object.metadata.resourceVersion ?? this.#resourceVersion;
      if (this.#pacer.due) await this.#pacer.pace();
    }
    return count;
  }
}

function isRefusal(error: unknown): boolean {
  return isStatus(error, 'Forbidden', 'Unauthorized', 'NotFound', 'BadRequest');
}

async function sleepUnlessEnded(clock: Clock, context: Context, delayMs: number): Promise<void> {
  try {
    await clock.sleep(context, delayMs);
  } catch (error) {
    if (!(error instanceof CancelledError)) throw error;
  }
}
