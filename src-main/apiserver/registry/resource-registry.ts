import type { KubeObject } from '#api/machinery/object';
import { resourceTable } from '#api/resources/table';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { EtcdClient, Revision } from '#etcd/client';
import type { CachedObjects } from '../delegates.ts';
import { formatGroupResource } from '../storage/errors.ts';
import type { DecodedObjects, WriteMemory } from '../storage/object-codec.ts';
import type { OpenWatch } from '../watch-cache/cache-watcher.ts';
import { WatchCache } from '../watch-cache/watch-cache.ts';
import { servedResource, type ServedResource } from './served-resource.ts';

export interface ResourceRegistryOptions {
  readonly etcd: EtcdClient;
  readonly memory: WriteMemory;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Name of the API server, by which the store's watchers are known. */
  readonly server: string;
}

/** The resource table brought to life: one watch cache for every place in the store, one served resource for every row. */
export class ResourceRegistry implements CachedObjects, DecodedObjects {
  readonly #served = new Map<string, ServedResource>();
  /** By group and plural alone. */
  readonly #byName = new Map<string, ServedResource>();
  /** By key prefix: rows that share a place share the cache. */
  readonly #caches = new Map<string, WatchCache>();

  constructor(options: ResourceRegistryOptions) {
    // The row that is stored as it is served comes first, so that the cache speaks its language.
    const rows = [...resourceTable].sort((a, b) => Number(Boolean(a.storedAs)) - Number(Boolean(b.storedAs)));
    for (const row of rows) {
      const bare = servedResource(row, undefined);
      const cache = row.keyPrefix === undefined ? undefined : this.#cacheAt(row.keyPrefix, bare, options);
      const served = servedResource(row, cache);
      this.#served.set(`${row.group}/${row.version}/${row.plural}`, served);
      this.#byName.set(`${row.group}/${row.plural}`, served);
    }
  }

  find(group: string, version: string, resource: string): ServedResource | undefined {
    return this.#served.get(`${group}/${version}/${resource}`);
  }

  get(group: string, resource: string, namespace: string, name: string): KubeObject | undefined {
    const served = this.#byName.get(`${group}/${resource}`);
    const stored = served?.cache?.peek(namespace, name);
    return stored && served?.fromStored(stored);
  }

  list(group: string, resource: string, namespace = ''): readonly KubeObject[] {
    const served = this.#byName.get(`${group}/${resource}`);
    const objects = served?.cache?.snapshot(namespace).objects ?? [];
    return served?.definition.storedAs ? objects.map(served.fromStored) : objects;
  }

  /** Waits until everything of the resource that was committed before the call can be read here. */
  async catchUp(context: Context, group: string, resource: string): Promise<void> {
    await this.#byName.get(`${group}/${resource}`)?.cache?.catchUp(context);
  }

  recall(key: string, modRevision: Revision): KubeObject | undefined {
    for (const [prefix, cache] of this.#caches) if (key.startsWith(prefix)) return cache.recall(key, modRevision);
    return undefined;
  }

  /** Resolves when every cache is filled. Throws when the store cannot be read; then none runs. */
  async start(context: Context): Promise<void> {
    try {
      await Promise.all([...this.#caches.values()].map((cache) => cache.start(context)));
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** Ends every watch. */
  stop(): void {
    for (const cache of this.#caches.values()) cache.stop();
  }

  /** Open watches by resource. */
  watchers(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const served of this.#served.values()) {
      if (served.cache && !served.definition.storedAs) counts.set(formatGroupResource(served), served.cache.watchers);
    }
    return counts;
  }

  openWatches(): readonly (OpenWatch & { readonly resource: string })[] {
    return [...this.#served.values()].flatMap((served) => {
      const resource = formatGroupResource(served);
      return served.cache && !served.definition.storedAs
        ? served.cache.openWatches().map((watch) => ({ ...watch, resource }))
        : [];
    });
  }

  #cacheAt(prefix: string, served: ServedResource, options: ResourceRegistryOptions): WatchCache {
    const known = this.#caches.get(prefix);
    if (known) return known;
    const { etcd, memory, clock, logger, server } = options;
    const cache = new WatchCache({
      ...{ resource: served, etcd, memory, clock, logger: logger.named(served.resource) },
      watcherName: `${server} ${formatGroupResource(served)}`,
    });
    this.#caches.set(prefix, cache);
    return cache;
  }
}
