import type { WatchEvent } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import type { FreezableClock } from '#base/freezable-clock';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import type { Transport, TransportRequest } from '#client/transport';
import type { LinkFaults } from '#machines/embedded/link-faults';

/** How long a request waits for an answer, and a watch for signs of life (Go's HTTP/2 health check, 30 and 15 s). */
const requestTimeoutMs = 10_000;
const watchTimeoutMs = 45_000;

export interface ApiLinkOptions {
  readonly transport: Transport;
  readonly links: LinkFaults;
  /** Of the programs on this side: while it is frozen they hear nothing. */
  readonly clock: FreezableClock;
  readonly node: string;
  readonly master: string;
}

/** The way from a simulated node's programs to the API server, which can be cut like any other link. */
export class ApiLink implements Transport {
  readonly #options: ApiLinkOptions;

  constructor(options: ApiLinkOptions) {
    this.#options = options;
  }

  async request(context: Context, request: TransportRequest): Promise<unknown> {
    const { transport, clock } = this.#options;
    await this.#reach(context);
    const answer = await transport.request(context, request);
    // What was done there is done, even when nobody here learns of it.
    await this.#reach(context);
    await clock.thawed();
    return answer;
  }

  async watch(context: Context, request: TransportRequest): Promise<AsyncIterable<WatchEvent>> {
    await this.#reach(context);
    const lifetime = context.withCancel();
    try {
      const events = await this.#options.transport.watch(lifetime.context, request);
      return this.#carried(context, lifetime, events);
    } catch (error) {
      lifetime.cancel();
      throw error;
    }
  }

  /** Waits while the link is cut, as TCP does. Throws StatusError ServiceUnavailable when that takes too long. */
  async #reach(context: Context): Promise<void> {
    const { links, node, master, clock } = this.#options;
    if (!links.isCut(node, master)) return;
    const limit = context.withTimeout(clock, requestTimeoutMs);
    try {
      await links.untilPassable(limit.context, node, master);
    } catch (error) {
      if (context.ended || !(error instanceof CancelledError)) throw error;
      throw new StatusError('ServiceUnavailable', 'the API server cannot be reached: i/o timeout', undefined, {
        cause: error,
      });
    } finally {
      limit.cancel();
    }
  }

  async *#carried(
    context: Context,
    lifetime: { readonly context: Context; readonly cancel: () => void },
    events: AsyncIterable<WatchEvent>,
  ): AsyncGenerator<WatchEvent> {
    const { links, node, master, clock } = this.#options;
    const silence = this.#watchSilence(lifetime.cancel);
    try {
      for await (const event of events) {
        await links.untilPassable(lifetime.context, node, master);
        await clock.thawed();
        yield event;
      }
    } catch (error) {
      if (context.ended || !(error instanceof CancelledError)) throw error;
      throw new StatusError('ServiceUnavailable', 'the watch broke: the API server is silent', undefined, {
        cause: error,
      });
    } finally {
      silence.dispose();
      lifetime.cancel();
    }
  }

  /** Calls `giveUp` when the link was cut for as long as a client bears silence. */
  #watchSilence(giveUp: () => void): { dispose(): void } {
    const { links, node, master, clock } = this.#options;
    let timer: { dispose(): void } | undefined;
    const look = (): void => {
      if (!links.isCut(node, master)) {
        timer?.dispose();
        timer = undefined;
      } else {
        timer ??= clock.setTimer(watchTimeoutMs, giveUp);
      }
    };
    const listening = links.onChange(look);
    look();
    return {
      dispose: () => {
        listening.dispose();
        timer?.dispose();
      },
    };
  }
}
