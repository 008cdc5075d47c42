import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { EtcdError, revision, type EtcdClient, type Revision } from '#etcd/client';

/** What the embedded store keeps of its past, a real etcd keeps as well: an hour or so many revisions, whichever is more. */
const keptMs = 3_600_000;
const keptRevisions = 1_000_000;
const everyMs = 300_000;

interface Seen {
  readonly atMs: number;
  readonly revision: Revision;
}

/** Compacts a real etcd, which by itself keeps its whole past (upstream: kube-apiserver's compactor). Ends with `context`. */
export async function keepCompacted(
  context: Context,
  etcd: EtcdClient,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
): Promise<void> {
  let seen: readonly Seen[] = [];
  while (!context.ended) {
    try {
      const { revision: current } = await etcd.range(context, { key: '\0', keysOnly: true });
      const nowMs = clock.now();
      const old = seen.filter((one) => nowMs - one.atMs >= keptMs);
      const due = Math.min(old.at(-1)?.revision ?? 0, current - keptRevisions);
      if (due > 0) await etcd.compact(context, revision(due));
      seen = [...old.slice(-1), ...seen.filter((one) => !old.includes(one)), { atMs: nowMs, revision: current }];
    } catch (error) {
      if (context.ended) return;
      // Somebody else may have compacted further.
      const expected = error instanceof EtcdError && error.code === 'COMPACTED';
      if (!expected) logger.warn('etcd was not compacted', { error: messageOf(error) });
    }
    await clock.sleep(context, everyMs).catch(() => undefined);
  }
}
