import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import type { GroupVersionResource, KubeList, KubeObject, WatchEvent } from '#api/machinery/object';

/** What client-go is to Go: the interfaces that every component programs against. */

/** What is sent to `create`: the server fills in the rest. */
export type Draft<T extends KubeObject> = Omit<T, 'status'> & { readonly status?: unknown };

export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan';
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export type PatchType = 'json' | 'merge' | 'strategic' | 'apply';

export interface PatchOptions {
  readonly subresource?: string;
  readonly fieldManager?: string;
  readonly force?: boolean;
}

/** One resource of one API group. Every call throws StatusError, or CancelledError when `context` ends first. */
export interface ResourceClient<T extends KubeObject> {
  readonly resource: GroupVersionResource;
  get(context: Context, namespace: string, name: string): Promise<T>;
  list(context: Context, options?: ListOptions): Promise<KubeList<T>>;
  watch(
    context: Context,
    options?: ListOptions & { readonly allowWatchBookmarks?: boolean },
  ): Promise<AsyncIterable<WatchEvent<T>>>;
  create(context: Context, object: Draft<T>): Promise<T>;
  /** Fails with Conflict when `metadata.resourceVersion` is set and is not the current one. */
  update(context: Context, object: T): Promise<T>;
  updateStatus(context: Context, object: T): Promise<T>;
  /** PUT to `<name>/<subresource>`: finalize. */
  updateSubresource(context: Context, object: T, subresource: string): Promise<T>;
  patch(
    context: Context,
    namespace: string,
    name: string,
    type: PatchType,
    patch: unknown,
    options?: PatchOptions,
  ): Promise<T>;
  delete(context: Context, namespace: string, name: string, options?: DeleteOptions): Promise<void>;
  deleteCollection(context: Context, options: ListOptions & DeleteOptions): Promise<void>;
  /** POST to `<name>/<subresource>`: binding, eviction, token. */
  createSubresource(
    context: Context,
    namespace: string,
    name: string,
    subresource: string,
    body: KubeObject,
  ): Promise<unknown>;
}

export interface KubeClient {
  /** `namespace` is ignored for cluster-scoped resources: pass the empty string. */
  resource<T extends KubeObject>(resource: GroupVersionResource): ResourceClient<T>;
}

/** A cache's read side. Everything it hands out is frozen and shared. */
export interface Lister<T extends KubeObject> {
  /** By `namespace/name`, or `name`. */
  get(key: string): T | undefined;
  /** All, or those of one namespace. */
  list(namespace?: string): readonly T[];
  /** Objects for which the index function named `index` gave `value`. */
  byIndex(index: string, value: string): readonly T[];
}

export interface InformerHandler<T extends KubeObject> {
  onAdd?(object: T): void;
  /** Also called with equal versions after a relist. */
  onUpdate?(before: T, after: T): void;
  /** `object` is the last state known; its resourceVersion is that of the deletion when the watch said so. */
  onDelete?(object: T): void;
}

/** A reflector, its cache and the handlers that hear of changes. Handlers run in event order and must not block. */
export interface Informer<T extends KubeObject> {
  readonly lister: Lister<T>;
  readonly hasSynced: boolean;
  /** Rejects when `context` ends first. */
  waitForSync(context: Context): Promise<void>;
  /** The handler hears of everything in the cache first, as additions. */
  addHandler(handler: InformerHandler<T>): Disposable;
  /** Adds an index before the informer starts. `valuesOf` may give any number of values for an object. */
  addIndex(name: string, valuesOf: (object: T) => readonly string[]): void;
}

/** Informers shared by the controllers of one process: one reflector a resource. */
export interface InformerFactory {
  informer<T extends KubeObject>(
    resource: GroupVersionResource,
    options?: Pick<ListOptions, 'namespace' | 'fieldSelector' | 'labelSelector'>,
  ): Informer<T>;
  /** Starts those not yet started. */
  start(context: Context): void;
  waitForSync(context: Context): Promise<void>;
  stop(): void;
}

/**
 * Keys waiting for `sync`: each key at most once in the queue and at most once in work (client-go's workqueue). The
 * revision of the change that asked for the work travels along and becomes the cause of what `sync` writes.
 */
export interface Reconciler {
  enqueue(key: string, causeRevision?: string): void;
  enqueueAfter(key: string, delayMs: number, causeRevision?: string): void;
  /** Keys waiting, not counting delayed ones and those in work. */
  readonly length: number;
  start(context: Context): void;
  /** Resolves when no `sync` runs any more. */
  stop(): Promise<void>;
}

export interface ReconcilerOptions {
  readonly name: string;
  /** Keys worked on at once. */
  readonly workers: number;
  /** Throwing means: try again with backoff (5 ms doubling up to 1000 s, as client-go). Returning means done. */
  readonly sync: (context: Context, key: string) => Promise<void>;
}

/** Writes Events about objects; repeats are counted up on one Event instead of written again. Never throws. */
export interface EventRecorder {
  /** `fieldPath` names a part of the object: `spec.containers{web}`. */
  event(
    about: KubeObject,
    type: 'Normal' | 'Warning',
    reason: string,
    message: string,
    causeRevision?: string,
    fieldPath?: string,
  ): void;
}
