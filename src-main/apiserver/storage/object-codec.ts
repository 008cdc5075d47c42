import type { KubeObject } from '#api/machinery/object';
import { deepFreeze } from '#base/freeze';
import type { KeyValue, Revision } from '#etcd/client';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What is stored of an object: its JSON without `resourceVersion`, which is the revision of the write itself. */
export function encodeStored(object: KubeObject): Uint8Array {
  const { resourceVersion: _, ...metadata } = object.metadata;
  return encoder.encode(JSON.stringify({ ...object, metadata }));
}

/** The frozen object that was stored at `modRevision`. */
export function withRevision<T extends KubeObject>(object: T, modRevision: Revision): T {
  return deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(modRevision) } });
}

/** Where decoded objects are found again, so that no version of an object is parsed twice. */
export interface DecodedObjects {
  /** The object stored under `key` at `modRevision`, if it is still in memory. */
  recall(key: string, modRevision: Revision): KubeObject | undefined;
}

export function decodeStored(kv: KeyValue, decoded?: DecodedObjects): KubeObject {
  const known = decoded?.recall(kv.key, kv.modRevision);
  if (known) return known;
  // The boundary: bytes in the store were written by encodeStored after validation.
  const object = JSON.parse(decoder.decode(kv.value)) as KubeObject & { metadata: { resourceVersion?: string } };
  object.metadata.resourceVersion = String(kv.modRevision);
  return deepFreeze(object);
}

/**
 * The objects this server has just written, by revision, until its watch cache has taken them. Bounded: what a stalled
 * watch cache does not take in time is decoded from the store's bytes instead.
 */
export class WriteMemory {
  readonly #limit: number;
  readonly #byRevision = new Map<Revision, { readonly key: string; readonly object: KubeObject }>();

  constructor(limit = 2048) {
    this.#limit = limit;
  }

  remember(key: string, modRevision: Revision, object: KubeObject): void {
    this.#byRevision.set(modRevision, { key, object });
    if (this.#byRevision.size <= this.#limit) return;
    for (const oldest of this.#byRevision.keys()) {
      this.#byRevision.delete(oldest);
      return;
    }
  }

  peek(key: string, modRevision: Revision): KubeObject | undefined {
    const entry = this.#byRevision.get(modRevision);
    return entry?.key === key ? entry.object : undefined;
  }

  /** Returns the object and forgets it. */
  take(key: string, modRevision: Revision): KubeObject | undefined {
    const entry = this.#byRevision.get(modRevision);
    if (!entry || entry.key !== key) return undefined;
    this.#byRevision.delete(modRevision);
    return entry.object;
  }
}
