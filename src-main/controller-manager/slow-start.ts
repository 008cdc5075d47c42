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
    const first = next;
    next += size;
    const results = await Promise.allSettled(Array.from({ length: size }, (_, i) => call(first + i)));
    let error: unknown;
    for (const result of results) {
      if (result.status === 'fulfilled') succeeded++;
      else error ??= result.reason;
    }
    if (error !== undefined) return { succeeded, error };
  }
  return { succeeded, error: undefined };
}

/** Makes all calls at once, waits for all of them and throws the first failure. */
export async function allAtOnce<T>(items: readonly T[], call: (item: T) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(items.map(call));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
