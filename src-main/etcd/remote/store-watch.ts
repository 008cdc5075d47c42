import { Backoff } from '#base/backoff';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import { EtcdError, revision, type Revision, type WatchResponse } from '../client.ts';
import { toWatchResponse } from './convert.ts';
import { CompactedError } from './errors.ts';
import { methods, type WatchAnswer } from './methods.ts';
import type { EndpointPool } from './pool.ts';

export interface StoreWatchOptions {
  readonly pool: EndpointPool;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly prevKv: boolean;
}

const firstKey = Uint8Array.of(0);

/**
 * Every change of the store from revision `from` on, each once and in order, over whichever members answer, until `context`
 * ends. Each response holds whole revisions; as nothing is left out, a response of revision r says that the reader has all
 * up to r. Reads no faster than it is read. Throws {@link CompactedError} when the next revision is gone.
 */
export async function* watchStore(
  context: Context,
  options: StoreWatchOptions,
  from: Revision,
): AsyncGenerator<WatchResponse> {
  const { pool, clock, random, logger, prevKv } = options;
  const backoff = new Backoff({ initialMs: 50, factor: 2, maxMs: 1_000, jitter: 0.3 }, random);
  let next: number = from;
  while (!context.ended) {
    try {
      const create = { key: firstKey, range_end: firstKey, start_revision: next, prev_kv: prevKv };
      const first = { create_request: create };
      for await (const message of pool.stream<WatchAnswer>(context, methods.watch, first, { requireLeader: true })) {
        if (message.canceled) throw cancelled(message);
        backoff.reset();
        const response = toWatchResponse(message);
        if (!response) continue;
        next = response.revision + 1;
        yield response;
      }
    } catch (error) {
      if (context.ended) return;
      if (!(error instanceof EtcdError) || error.code === 'COMPACTED') throw error;
      logger.debug('the watch of the store broke; it goes on elsewhere', { next, error: messageOf(error) });
    }
    if (context.ended) return;
    await clock.sleep(context, backoff.next()).catch(() => undefined);
  }
}

function cancelled(message: WatchAnswer): EtcdError {
  const compacted = Number(message.compact_revision);
  if (compacted > 0) return new CompactedError(revision(compacted));
  return new EtcdError('UNAVAILABLE', message.cancel_reason || 'etcdserver: watch was canceled');
}
