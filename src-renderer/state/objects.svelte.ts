import type { KubeObject } from '#api/machinery/object';
import type { RewindResource } from '#contract/rewind';
import type { Connection } from '../ipc/connection.ts';
import { Reflector } from './reflector.svelte.ts';
import type { Rewind } from './rewind.svelte.ts';

/** Where the objects of a lab come from: its streams, or its past while that is looked at. */
export interface ObjectSource {
  readonly connection: Connection;
  readonly lab: string;
  readonly rewind: Rewind;
}

/** The objects of one resource of a lab, by uid: as they are, or as they were at the revision that is looked at. */
export class Objects<T extends KubeObject> {
  readonly #reflector: Reflector<'objects'>;

  readonly #rewind: Rewind;
  readonly #resource: RewindResource;

  constructor(source: ObjectSource, apiVersion: string, resource: RewindResource, namespace?: string) {
    const { connection, lab, rewind } = source;
    this.#rewind = rewind;
    this.#resource = resource;
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
    const request = { lab, group: group ?? '', version: version ?? '', resource, ...(namespace ? { namespace } : {}) };
    this.#reflector = new Reflector(connection, 'objects', request, (object) => object.metadata.uid ?? '');
  }

  /** By name within namespaces. The host promises that a resource's stream holds objects of its kind only. */
  readonly list = $derived.by(() => {
    const all = [...this.#items.values()] as unknown as T[];
    return all.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  });

  get(uid: string): T | undefined {
    return this.#items.get(uid) as T | undefined;
  }

  get #items(): ReadonlyMap<string, KubeObject> {
    return this.#rewind.active ? this.#rewind.objects.of(this.#resource) : this.#reflector.items;
  }

  get synced(): boolean {
    return this.#reflector.synced;
  }

  get error(): string | undefined {
    return this.#reflector.error?.message;
  }

  start(): void {
    this.#reflector.start();
  }

  stop(): void {
    this.#reflector.stop();
  }
}

/** Objects are immutable: their keys are made once. */
const sortKeys = new WeakMap<KubeObject, string>();

function sortKey(object: KubeObject): string {
  const known = sortKeys.get(object);
  if (known !== undefined) return known;
  const key = `${object.metadata.namespace ?? ''}/${object.metadata.name ?? ''}`;
  sortKeys.set(object, key);
  return key;
}
