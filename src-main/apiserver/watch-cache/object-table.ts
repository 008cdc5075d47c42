import type { KubeObject } from '#api/machinery/object';

/** Objects by key with ranges in key order, the order in which lists are answered. */
export class ObjectTable {
  readonly #byKey = new Map<string, KubeObject>();
  /** Kept sorted by UTF-16 units, which is byte order for the ASCII keys Kubernetes names allow. */
  #keys: string[] = [];

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): KubeObject | undefined {
    return this.#byKey.get(key);
  }

  set(key: string, object: KubeObject): void {
    if (!this.#byKey.has(key)) {
      const last = this.#keys[this.#keys.length - 1];
      if (last === undefined || last < key) this.#keys.push(key);
      else this.#keys.splice(this.#position(key), 0, key);
    }
    this.#byKey.set(key, object);
  }

  delete(key: string): void {
    if (this.#byKey.delete(key)) this.#keys.splice(this.#position(key), 1);
  }

  /** The objects whose keys start with `prefix`, in key order. */
  withPrefix(prefix: string): KubeObject[] {
    const found: KubeObject[] = [];
    for (let i = this.#position(prefix); i < this.#keys.length; i++) {
      const key = this.#keys[i];
      if (key === undefined || !key.startsWith(prefix)) break;
      const object = this.#byKey.get(key);
      if (object) found.push(object);
    }
    return found;
  }

  clear(): void {
    this.#byKey.clear();
    this.#keys = [];
  }

  /** Index of the first key that is not before `key`. */
  #position(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
