import type { KubeObject } from '#api/machinery/object';
import type { ObjectReader } from '../object-reader.ts';

/** An {@link ObjectReader} over a list of objects, for tests. */
export class FakeObjects implements ObjectReader {
  readonly #objects: readonly KubeObject[];

  constructor(objects: readonly KubeObject[]) {
    this.#objects = objects;
  }

  list(_group: string, resource: string, namespace?: string): readonly KubeObject[] {
    return this.#objects.filter(
      ({ kind, metadata }) => `${kind.toLowerCase()}s` === resource && (!namespace || metadata.namespace === namespace),
    );
  }

  get(group: string, resource: string, namespace: string, name: string): KubeObject | undefined {
    return this.list(group, resource, namespace).find(({ metadata }) => metadata.name === name);
  }
}
