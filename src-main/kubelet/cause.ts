import type { KubeObject } from '#api/machinery/object';
import type { Context } from '#base/context';
import type { Random } from '#base/random';

/** Runs `write` as an answer to the version of `object` that was watched, so that the chain of writes can be walked back. */
export async function answering<T>(
  context: Context,
  random: Random,
  object: KubeObject,
  write: (context: Context) => Promise<T>,
): Promise<T> {
  const revision = object.metadata.resourceVersion;
  const { context: own, cancel } = context.withCancel();
  try {
    const cause = { traceId: random.hex(32), spanId: random.hex(16), ...(revision ? { revision } : {}) };
    return await write(own.withCause(cause));
  } finally {
    cancel();
  }
}
