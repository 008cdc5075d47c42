import { Pacer } from '#base/pacer';

export interface BatchResult {
  readonly succeeded: number;
  /** The first failure; calls that were not started because of it are not made at all. */
  readonly error: unknown;
}

/**
 * Makes `count` calls in batches of 1, 2, 4 ..., each batch at once (`slowStartBatch` of the job and replica set
 * controllers, release 1.36): a cause that makes every call fail costs one call, and a thousand calls take ten rounds.
 * A batch with a failure is the last one.
 */
export async function slowStartBatch(count: number, call: (index: number) => Promise<void>): Promise<BatchResult> {
  let succeeded = 0;
  let next = 0;
  for (let size = Math.min(count, 1); size > 0; size = Math.min(size * 2, count - next)) {
    const indexes = Array.from({ length: size }, (_, i) => next + i);
    next += size;
    const failures = await startAll(indexes, call);
    succeeded += size - failures.length;
    const [first] = failures;
    if (first) return { succeeded, error: first.error };
  }
  return { succeeded, error: undefined };
}

/** Makes all calls at once, waits for all of them and throws the first failure. */
export async function allAtOnce<T>(items: readonly T[], call: (item: T) => Promise<void>): Promise<void> {
  const [first] = await startAll(items, call);
  if (first) throw first.error;
}

interface Failure {
  readonly error: unknown;
}

/** Hundreds of requests are long work to start: the event loop gets its turns in between. */
async function startAll<T>(items: readonly T[], call: (item: T) => Promise<void>): Promise<readonly Failure[]> {
  const pacer = new Pacer();
  const failures: Failure[] = [];
  const calls: Promise<void>[] = [];
  for (const item of items) {
    // Handled here and now: a call may fail while the others are still being started.
    calls.push(call(item).catch((error: unknown) => void failures.push({ error })));
    await pacer.pace();
  }
  await Promise.all(calls);
  return failures;
}
