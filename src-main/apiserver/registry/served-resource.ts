import type { KubeObject, WatchEvent } from '#api/machinery/object';
import { formatGroupVersion } from '#api/machinery/object';
import type { ResourceDefinition } from '#api/resources/definition';
import { deepFreeze } from '#base/freeze';
import type { CachedResource, WatchCache } from '../watch-cache/watch-cache.ts';

/** A row of the resource table with the cache its objects live in. */
export interface ServedResource extends CachedResource {
  readonly definition: ResourceDefinition;
  readonly version: string;
  /** Undefined for resources that are answered and never stored. */
  readonly cache: WatchCache | undefined;
  readonly toStored: (object: KubeObject) => KubeObject;
  /** The served form. Equal inputs give the same object, so that it is encoded once. */
  readonly fromStored: (stored: KubeObject) => KubeObject;
  readonly fromStoredEvent: (event: WatchEvent) => WatchEvent;
}

/** Upstream's `--event-ttl`. */
const eventTtlSeconds = 3600;

const identity = <T>(value: T): T => value;

export function servedResource(definition: ResourceDefinition, cache: WatchCache | undefined): ServedResource {
  const { storedAs } = definition;
  const fromStored = storedAs ? memoized((stored: KubeObject) => deepFreeze(storedAs.fromStored(stored))) : identity;
  const convertEvent = memoized((event: WatchEvent): WatchEvent => {
    if (event.type === 'ERROR') return event;
    if (event.type === 'BOOKMARK') {
      const { kind } = definition;
      return deepFreeze({ ...event, object: { ...event.object, kind, apiVersion: formatGroupVersion(definition) } });
    }
    return Object.freeze({ type: event.type, object: fromStored(event.object) });
  });
  return {
    definition,
    cache,
    group: definition.group,
    version: definition.version,
    resource: definition.plural,
    kind: definition.kind,
    apiVersion: formatGroupVersion(definition),
    namespaced: definition.namespaced,
    keyPrefix: definition.keyPrefix ?? '',
    ttlSeconds: definition.kind === 'Event' ? eventTtlSeconds : undefined,
    toStored: storedAs ? (object) => deepFreeze(storedAs.toStored(object)) : identity,
    fromStored,
    fromStoredEvent: storedAs ? convertEvent : identity,
  };
}

function memoized<A extends object, B extends object>(make: (from: A) => B): (from: A) => B {
  const made = new WeakMap<A, B>();
  return (from) => {
    const known = made.get(from);
    if (known) return known;
    const fresh = make(from);
    made.set(from, fresh);
    return fresh;
  };
}
