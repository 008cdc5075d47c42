import { objectKey, type KubeObject } from '#api/machinery/object';
import { InvariantError } from '#base/errors';
import type { Lister } from './client.ts';

/** Objects by key, and the array of them that readers share until the next change. */
class Bucket<T> {
  readonly objects = new Map<string, T>();
  #snapshot: readonly T[] | undefined;

  set(key: string, object: T): void {
    this.objects.set(key, object);
    this.#snapshot = undefined;
  }

  delete(key: string): void {
    if (this.objects.delete(key)) this.#snapshot = undefined;
  }

  list(): readonly T[] {
    this.#snapshot ??= Object.freeze([...this.objects.values()]);
    return this.#snapshot;
  }
}

class Index<T extends KubeObject> {
  readonly #valuesOf: (object: T) => readonly string[];
  readonly #buckets = new Map<string, Bucket<T>>();

  constructor(valuesOf: (object: T) => readonly string[]) {
    this.#valuesOf = valuesOf;
  }

  replace(key: string, before: T | undefined, after: T | undefined): void {
    const values = after ? this.#valuesOf(after) : [];
    if (before) {
      for (const value of this.#valuesOf(before)) if (!values.includes(value)) this.#remove(value, key);
    }
    if (!after) return;
    for (const value of values) {
      const bucket = this.#buckets.get(value) ?? new Bucket<T>();
      this.#buckets.set(value, bucket);
      bucket.set(key, after);
    }
  }

  list(value: string): readonly T[] {
    return this.#buckets.get(value)?.list() ?? [];
  }

  #remove(value: string, key: string): void {
    const bucket = this.#buckets.get(value);
    bucket?.delete(key);
    if (bucket?.objects.size === 0) this.#buckets.delete(value);
  }
}

/**
 * The cache of an informer (client-go `cache.Indexer`, release 1.36). Objects go in frozen and come out as they are. An
 * array handed out is a frozen snapshot: it never changes under the reader, and asking again without a change between
 * gives the same array.
 */
export class ObjectStore<T extends KubeObject> implements Lister<T> {
  readonly #all = new Bucket<T>();
  readonly #byNamespace = new Index<T>((object) => [object.metadata.namespace ?? '']);
  readonly #indexes = new Map<string, Index<T>>();

  get size(): number {
    return this.#all.objects.size;
  }

  get(key: string): T | undefined {
    return this.#all.objects.get(key);
  }

  list(namespace?: string): readonly T[] {
    return namespace ? this.#byNamespace.list(namespace) : this.#all.list();
  }

  byIndex(index: string, value: string): readonly T[] {
    const found = this.#indexes.get(index);
    if (!found) throw new InvariantError(`no index named ${index}: add it before the informer starts`);
    return found.list(value);
  }

  /** Adds an index over what is there and what will come. The same name again keeps the first function. */
  addIndex(name: string, valuesOf: (object: T) => readonly string[]): void {
    if (this.#indexes.has(name)) return;
    const index = new Index(valuesOf);
    this.#indexes.set(name, index);
    for (const [key, object] of this.#all.objects) index.replace(key, undefined, object);
  }

  /** Puts `object` in and returns what was there. */
  set(object: T): T | undefined {
    const key = objectKey(object);
    const before = this.#all.objects.get(key);
    this.#all.set(key, object);
    this.#reindex(key, before, object);
    return before;
  }

  /** Takes the object out and returns it. */
  delete(key: string): T | undefined {
    const before = this.#all.objects.get(key);
    if (!before) return undefined;
    this.#all.delete(key);
    this.#reindex(key, before, undefined);
    return before;
  }

  keys(): IterableIterator<string> {
    return this.#all.objects.keys();
  }

  #reindex(key: string, before: T | undefined, after: T | undefined): void {
    this.#byNamespace.replace(key, before, after);
    for (const index of this.#indexes.values()) index.replace(key, before, after);
  }
}
