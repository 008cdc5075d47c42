import type { KubeObject } from '#api/machinery/object';
import type { Informer } from '#client/client';
import { controllerOf } from '#client/owner-references';

const byController = 'controller-uid';
const orphansByNamespace = 'orphans-by-namespace';

/**
 * Finds what an owner owns, and what nobody owns, without walking a namespace: the two indexes that controllers share
 * on an informer. Adding them again is free.
 */
export class OwnedIndex<T extends KubeObject> {
  readonly #informer: Informer<T>;

  constructor(informer: Informer<T>) {
    this.#informer = informer;
    informer.addIndex(byController, (object) => {
      const owner = controllerOf(object);
      return owner ? [owner.uid] : [];
    });
    informer.addIndex(orphansByNamespace, (object) => (controllerOf(object) ? [] : [object.metadata.namespace ?? '']));
  }

  ownedBy(owner: KubeObject): readonly T[] {
    return this.#informer.lister.byIndex(byController, owner.metadata.uid ?? '');
  }

  ownedByUid(uid: string): readonly T[] {
    return this.#informer.lister.byIndex(byController, uid);
  }

  orphans(namespace: string): readonly T[] {
    return this.#informer.lister.byIndex(orphansByNamespace, namespace);
  }
}
