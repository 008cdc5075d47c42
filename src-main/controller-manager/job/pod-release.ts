import type { Pod } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { ResourceClient } from '#client/client';
import { isTracked, trackingFinalizer } from './job-pod.ts';

/** Takes the tracking finalizer off. A pod that is gone, or another one by now, needs no release. */
export async function releasePod(context: Context, client: ResourceClient<Pod>, pod: Pod): Promise<void> {
  if (!isTracked(pod)) return;
  const { namespace = '', name = '', uid, resourceVersion } = pod.metadata;
  const finalizers = pod.metadata.finalizers?.filter((finalizer) => finalizer !== trackingFinalizer) ?? [];
  try {
    await client.patch(context, namespace, name, 'merge', { metadata: { uid, resourceVersion, finalizers } });
  } catch (error) {
    if (isStatus(error, 'NotFound')) return;
    if (!isStatus(error, 'Conflict')) throw error;
    const fresh = await getPod(context, client, namespace, name);
    if (fresh?.metadata.uid === uid && fresh && isTracked(fresh)) throw error;
  }
}

async function getPod(
  context: Context,
  client: ResourceClient<Pod>,
  namespace: string,
  name: string,
): Promise<Pod | undefined> {
  try {
    return await client.get(context, namespace, name);
  } catch (error) {
    if (isStatus(error, 'NotFound')) return undefined;
    throw error;
  }
}
