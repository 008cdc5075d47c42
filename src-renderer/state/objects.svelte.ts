import type { KubeObject } from '#api/machinery/object';
import type { Connection } from '../ipc/connection.ts';
import { Reflector } from './reflector.svelte.ts';

/** The objects of one resource of a lab, by uid. */
export class Objects<T extends KubeObject> {
  readonly #reflector: Reflector<'objects'>;

  constructor(connection: Connection, lab: string, apiVersion: string, resource: string, namespace?: string) {
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
    const request = { lab, group: group ?? '', version: version ?? '', resource, ...(namespace ? { namespace } : {}) };
    this.#reflector = new Reflector(connection, 'objects', request, (object) => object.metadata.uid ?? '');
  }

  /** By name within namespaces. The host promises that a resource's stream holds objects of its kind only. */
  readonly list = $derived.by(() => {
    const all = [...this.#reflector.items.values()] as unknown as T[];
    return all.sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
  });

  get(uid: string): T | undefined {
    return this.#reflector.items.get(uid) as T | undefined;
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
