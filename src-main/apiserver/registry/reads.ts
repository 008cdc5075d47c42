import type { KubeList, KubeObject, WatchEvent } from '#api/machinery/object';
import { Pacer } from '#base/pacer';
import type { Random } from '#base/random';
import { present } from '#base/errors';
import { revision } from '#etcd/client';
import { notFound } from '../storage/errors.ts';
import type { ObjectLister, ObjectPage } from '../storage/object-list.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { checkListQuery, parseResourceVersion, readListQuery, type ListQuery } from './request-options.ts';
import type { RequestScope } from './scope.ts';
import { readSelection, type Selection } from './selection.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';

/** A watch nobody limits ends after half an hour to an hour, so that load spreads over restarted servers. */
const defaultWatchSeconds = 1800;

/** get, list and watch of stored resources (upstream: the generic registry store and the cacher, release 1.36). */
export class Reads {
  readonly #store: ObjectStore;
  readonly #lister: ObjectLister;
  readonly #random: Random;

  constructor(store: ObjectStore, lister: ObjectLister, random: Random) {
    this.#store = store;
    this.#lister = lister;
    this.#random = random;
  }

  /** With `resourceVersion=0` or a number, the cache answers; without, the store does. */
  async get(scope: RequestScope): Promise<KubeObject> {
    const { context, request, info, served } = scope;
    const asked = request.query.get('resourceVersion') ?? '';
    if (asked === '') return served.fromStored(await this.#store.get(context, served, info.namespace, info.name));
    const cache = cacheOf(scope);
    await cache.waitFor(context, parseResourceVersion(asked));
    const object = cache.peek(info.namespace, info.name);
    if (!object) throw notFound(served, info.name);
    return served.fromStored(object);
  }

  async list(scope: RequestScope): Promise<KubeList> {
    const { request, info, served } = scope;
    const options = readListQuery(request.query);
    checkListQuery(options, false);
    const selection = readSelection(served, options.labelSelector, options.fieldSelector);
    const page = await this.#page(scope, options, selection, info.namespace);
    return {
      kind: `${served.kind}List`,
      apiVersion: served.apiVersion,
      metadata: {
        resourceVersion: String(page.revision),
        ...(page.continueToken ? { continue: page.continueToken } : {}),
        ...(page.remainingItemCount === undefined ? {} : { remainingItemCount: page.remainingItemCount }),
      },
      items: served.definition.storedAs ? page.items.map(served.fromStored) : page.items,
    };
  }

  /** Everything of a namespace that `selection` matches, now, in stored form. */
  async select(scope: RequestScope, selection: Selection, namespace: string): Promise<ObjectPage> {
    const snapshot = await cacheOf(scope).consistentSnapshot(scope.context, namespace);
    return { revision: snapshot.revision, items: await filtered(snapshot.objects, selection) };
  }

  /** Which of the sources answers; the table of upstream's "resourceVersion parameter" page. */
  async #page(scope: RequestScope, options: ListQuery, selection: Selection, namespace: string): Promise<ObjectPage> {
    const { context, served } = scope;
    const { limit, continueToken, resourceVersion, resourceVersionMatch: match } = options;
    const wanted = parseResourceVersion(resourceVersion);
    const legacyExact = limit > 0 && match === undefined && wanted > 0;
    const { matches } = selection;
    if (continueToken || match === 'Exact' || legacyExact) {
      const atRevision = wanted > 0 ? revision(wanted) : undefined;
      return this.#lister.list(context, served, { namespace, matches, limit, continueToken, atRevision });
    }
    const cache = cacheOf(scope);
    if (wanted > 0) await cache.waitFor(context, wanted);
    else if (resourceVersion !== '0') await cache.catchUp(context);
    const { revision: at, objects } = cache.snapshot(namespace);
    if (limit > 0 && objects.length > limit && resourceVersion !== '0') {
      return this.#lister.list(context, served, { namespace, matches, limit, atRevision: revision(at) });
    }
    return { revision: at, items: await filtered(objects, selection) };
  }

  async watch(scope: RequestScope): Promise<AsyncIterable<WatchEvent>> {
    const { context, request, info, served } = scope;
    const options = readListQuery(request.query);
    checkListQuery(options, true);
    const selection = readSelection(served, options.labelSelector, options.fieldSelector);
    const cache = cacheOf(scope);
    const wanted = parseResourceVersion(options.resourceVersion);
    const { sendInitialEvents } = options;
    if (options.resourceVersion === '') await cache.catchUp(context);
    else if (sendInitialEvents && wanted > 0) await cache.waitFor(context, wanted);
    const frames = cache.watch(context, {
      who: { user: request.user.name, userAgent: request.headers['user-agent'] ?? '' },
      namespace: info.namespace,
      name: selection.name ?? (info.name || undefined),
      matches: selection.matches,
      afterRevision: wanted > 0 ? wanted : undefined,
      initialEvents: sendInitialEvents ?? wanted === 0,
      markInitialEventsEnd: sendInitialEvents === true && options.allowWatchBookmarks,
      bookmarks: options.allowWatchBookmarks,
      timeoutMs: this.#watchMs(options.timeoutSeconds),
    });
    return served.definition.storedAs ? mapped(frames, served.fromStoredEvent) : frames;
  }

  #watchMs(timeoutSeconds: number | undefined): number {
    const seconds =
      timeoutSeconds && timeoutSeconds > 0 ? timeoutSeconds : defaultWatchSeconds * (1 + this.#random.next());
    return seconds * 1000;
  }
}

function cacheOf({ served }: RequestScope): WatchCache {
  return present(served.cache, `${served.resource} has a watch cache`);
}

async function filtered(objects: readonly KubeObject[], selection: Selection): Promise<readonly KubeObject[]> {
  const { matches } = selection;
  if (!matches) return objects;
  const kept: KubeObject[] = [];
  const pacer = new Pacer();
  for (const [index, object] of objects.entries()) {
    if (matches(object)) kept.push(object);
    if (index % 256 === 255) await pacer.pace();
  }
  return kept;
}

async function* mapped(
  frames: AsyncIterable<WatchEvent>,
  map: (event: WatchEvent) => WatchEvent,
): AsyncGenerator<WatchEvent> {
  for await (const frame of frames) yield map(frame);
}
