import type { ObjectMeta } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { ResourceClient } from '#client/client';
import type { KubeObject } from '#api/machinery/object';

/**
 * Writes `status` over the object's own. When the cached version turns out to be stale, fetches the object once and
 * writes over that, as the controllers upstream do: a status is computed from the world, not from the status before.
 */
export async function writeStatus<T extends KubeObject & { readonly status?: unknown }>(
  context: Context,
  resource: ResourceClient<T>,
  object: T,
  status: T['status'],
): Promise<T> {
  try {
    return await resource.updateStatus(context, { ...object, status });
  } catch (error) {
    if (!isStatus(error, 'Conflict')) throw error;
    const { namespace = '', name = '', uid } = object.metadata satisfies ObjectMeta;
    const fresh = await resource.get(context, namespace, name);
    if (fresh.metadata.uid !== uid) throw error;
    return resource.updateStatus(context, { ...fresh, status });
  }
}
