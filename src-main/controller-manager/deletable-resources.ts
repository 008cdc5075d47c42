import type { GroupVersionResource } from '#api/machinery/object';
import { resourceTable } from '#api/resources/table';

/** A resource whose objects are stored and can be listed, watched and deleted. */
export interface DeletableResource {
  readonly resource: GroupVersionResource;
  readonly kind: string;
  readonly namespaced: boolean;
}

/**
 * Everything that can be left behind, from the API's own table. Events of the two groups are the same objects and are
 * listed once, as core/v1.
 */
export const deletableResources: readonly DeletableResource[] = resourceTable
  .filter(({ verbs, keyPrefix, storedAs }) => {
    return (
      keyPrefix !== undefined &&
      !storedAs &&
      verbs.includes('list') &&
      verbs.includes('watch') &&
      verbs.includes('delete')
    );
  })
  .map(({ group, version, plural, kind, namespaced }) => ({
    resource: Object.freeze({ group, version, resource: plural }),
    kind,
    namespaced,
  }));
