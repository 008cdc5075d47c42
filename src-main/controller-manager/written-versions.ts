import { objectKey, type KubeObject } from '#api/machinery/object';
import type { Lister } from '#client/client';

/**
 * What a controller wrote and its cache may not know yet, by owner (the idea of `endpointslice.EndpointSliceTracker`,
 * release 1.36). A controller that finds its cache stale returns and waits for the cache to catch up, which wakes it.
 */
export class WrittenVersions {
  /** By owner: the version each object key has to have reached; 'gone' when it was deleted. */
  readonly #written = new Map<string, Map<string, string>>();

  wrote(owner: string, object: KubeObject): void {
    this.#of(owner).set(objectKey(object), object.metadata.resourceVersion ?? '0');
  }

  deleted(owner: string, key: string): void {
    this.#of(owner).set(key, 'gone');
  }

  /** The cache was told that the object is gone, whoever deleted it. */
  sawDeletion(owner: string, key: string): void {
    this.#written.get(owner)?.delete(key);
  }

  forget(owner: string): void {
    this.#written.delete(owner);
  }

  /** Whether `lister` still lags behind something written for `owner`. Forgets what it has caught up with. */
  isStale(owner: string, lister: Lister<KubeObject>): boolean {
    const written = this.#written.get(owner);
    if (!written) return false;
    for (const [key, version] of [...written]) {
      const cached = lister.get(key);
      const caughtUp = version === 'gone' ? !cached : cached && isAtLeast(cached.metadata.resourceVersion, version);
      if (caughtUp) written.delete(key);
    }
    return written.size > 0;
  }

  #of(owner: string): Map<string, string> {
    const known = this.#written.get(owner) ?? new Map<string, string>();
    this.#written.set(owner, known);
    return known;
  }
}

/** resourceVersions of one API server are decimal numbers that grow (k8s.io/apimachinery `resourceversion`, release 1.36). */
function isAtLeast(version: string | undefined, wanted: string): boolean {
  const have = version ?? '0';
  return have.length === wanted.length ? have >= wanted : have.length > wanted.length;
}
