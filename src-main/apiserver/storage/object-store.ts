import type { KubeObject } from '#api/machinery/object';

import type { Context } from '#base/context';
import { jsonEqual } from '#base/freeze';
import type { Compare, EtcdClient, KeyValue, Operation, Revision } from '#etcd/client';
import { alreadyExists, conflict, fromStore, notFound, type GroupResource } from './errors.ts';
import type { WriteMemory } from './object-codec.ts';
import { decodeStored, encodeStored, withRevision, type DecodedObjects } from './object-codec.ts';
import type { ObjectLeases } from './object-leases.ts';
import type { WriteOrigin, WriteRecorder } from './write-recorder.ts';

/** What storage has to know of a resource; the resource table's entries fit. */
export interface StoredResource extends GroupResource {
  readonly namespaced: boolean;
  /** With slashes at both ends: `/registry/pods/`. */
  readonly keyPrefix: string;
  /** Objects go by themselves so long after their last write. */
  readonly ttlSeconds?: number | undefined;
}

export interface Preconditions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

export interface WriteOptions {
  readonly origin: WriteOrigin;
  /** Do everything but the write. */
  readonly dryRun: boolean;
}

/** A condition besides the object's own: the key was last written at this revision. */
export interface Guard {
  readonly key: string;
  readonly modRevision: Revision;
}

/** The write was refused because of its {@link Guard}, and nothing was written. */
export class GuardLostError extends Error {
  override readonly name = 'GuardLostError';
}

export interface CreateOptions extends WriteOptions {
  readonly guard?: Guard | undefined;
}

export interface UpdateOptions extends WriteOptions {
  readonly preconditions?: Preconditions | undefined;
  /** The version to try first, usually the watch cache's; the store is asked only when it turns out to be stale. */
  readonly suggestion?: KubeObject | undefined;
}

/** What to do with the current version: keep `next`, or remove the object. When the guard is lost, the change is asked for again. */
export type Change = { readonly next: KubeObject; readonly guard?: Guard | undefined } | { readonly remove: true };
/** May be called several times, each time with a fresher version. Throwing gives up. */
export type ChangeFunction = (current: KubeObject) => Change | Promise<Change>;

export type ChangeResult = { readonly object: KubeObject; readonly removed: boolean };

export function storageKey(resource: StoredResource, namespace: string, name: string): string {
  return resource.namespaced ? `${resource.keyPrefix}${namespace}/${name}` : resource.keyPrefix + name;
}

export interface ObjectStoreOptions {
  readonly etcd: EtcdClient;
  readonly recorder: WriteRecorder;
  readonly memory: WriteMemory;
  readonly decoded: DecodedObjects;
  readonly leases: ObjectLeases;
}

/**
 * Objects over the store (upstream: `k8s.io/apiserver/pkg/storage/etcd3`, release 1.36). Every write carries the record of
 * who asked for it; every object that comes back is frozen. Throws StatusError only.
 */
export class ObjectStore {
  readonly #etcd: EtcdClient;
  readonly #recorder: WriteRecorder;
  readonly #memory: WriteMemory;
  readonly #decoded: DecodedObjects;
  readonly #leases: ObjectLeases;

  constructor({ etcd, recorder, memory, decoded, leases }: ObjectStoreOptions) {
    this.#leases = leases;
    this.#etcd = etcd;
    this.#recorder = recorder;
    this.#memory = memory;
    this.#decoded = decoded;
  }

  /** Throws AlreadyExists, GuardLostError. The object must not carry a resourceVersion. */
  async create(
    context: Context,
    resource: StoredResource,
    object: KubeObject,
    options: CreateOptions,
  ): Promise<KubeObject> {
    const { namespace = '', name = '' } = object.metadata;
    const key = storageKey(resource, namespace, name);
    if (options.dryRun) {
      if (await this.#read(context, key)) throw alreadyExists(resource, name);
      return object;
    }
    const record = await fromStore(this.#recorder.record(context, options.origin));
    const answer = await fromStore(
      this.#etcd.txn(context, {
        compare: [{ key, target: 'version', result: '=', version: 0 }, ...conditionOf(options.guard)],
        success: [await this.#put(context, resource, key, object)],
        failure: options.guard ? [{ type: 'range', key, countOnly: true }] : [],
        record: JSON.stringify(record),
      }),
    );
    if (!answer.succeeded) {
      const [found] = answer.responses;
      if (found?.type === 'range' && found.count === 0) throw new GuardLostError(`${name} was not written`);
      throw alreadyExists(resource, name);
    }
    this.#recorder.written(answer.revision, record);
    return this.#remember(key, object, answer.revision);
  }

  async get(context: Context, resource: StoredResource, namespace: string, name: string): Promise<KubeObject> {
    const kv = await this.#read(context, storageKey(resource, namespace, name));
    if (!kv) throw notFound(resource, name);
    return this.#memory.peek(kv.key, kv.modRevision) ?? decodeStored(kv, this.#decoded);
  }

  /**
   * Changes an object by compare-and-swap on its revision and tries again when somebody else was faster. A change that
   * leaves the object equal writes nothing. Throws NotFound, Conflict for failed preconditions, and what `change` throws;
   * an error about a suggested version that turns out to be stale is not believed but tried again on the fresh one.
   */
  async update(
    context: Context,
    resource: StoredResource,
    namespace: string,
    name: string,
    options: UpdateOptions,
    change: ChangeFunction,
  ): Promise<ChangeResult> {
    const key = storageKey(resource, namespace, name);
    let current = options.suggestion ?? (await this.get(context, resource, namespace, name));
    let suggested = options.suggestion !== undefined;
    for (;;) {
      context.check();
      let wanted: Change;
      try {
        checkPreconditions(resource, name, current, options.preconditions);
        wanted = await change(current);
      } catch (error) {
        if (!suggested) throw error;
        suggested = false;
        const fresh = await this.get(context, resource, namespace, name);
        if (fresh.metadata.resourceVersion === current.metadata.resourceVersion) throw error;
        current = fresh;
        continue;
      }
      if ('next' in wanted && jsonEqual(wanted.next, current)) {
        if (!suggested) return { object: current, removed: false };
        // Equal to a version that may be stale: ask the store before saying that nothing has to be written.
        const fresh = await this.get(context, resource, namespace, name);
        suggested = false;
        if (fresh.metadata.resourceVersion === current.metadata.resourceVersion)
          return { object: fresh, removed: false };
        current = fresh;
        continue;
      }
      const result = await this.#swap(context, resource, key, current, wanted, options);
      if (result !== 'lost') return result;
      suggested = false;
      current = await this.get(context, resource, namespace, name);
    }
  }

  async #swap(
    context: Context,
    resource: StoredResource,
    key: string,
    current: KubeObject,
    wanted: Change,
    options: WriteOptions,
  ): Promise<ChangeResult | 'lost'> {
    const modRevision = Number(current.metadata.resourceVersion) as Revision;
    if (options.dryRun) {
      return 'next' in wanted ? { object: wanted.next, removed: false } : { object: current, removed: true };
    }
    const record = await fromStore(this.#recorder.record(context, options.origin));
    const answer = await fromStore(
      this.#etcd.txn(context, {
        compare: [
          { key, target: 'mod', result: '=', modRevision },
          ...conditionOf('next' in wanted ? wanted.guard : undefined),
        ],
        success: ['next' in wanted ? await this.#put(context, resource, key, wanted.next) : { type: 'delete', key }],
        failure: [],
        record: JSON.stringify(record),
      }),
    );
    if (!answer.succeeded) return 'lost';
    this.#recorder.written(answer.revision, record);
    if ('next' in wanted) return { object: this.#remember(key, wanted.next, answer.revision), removed: false };
    return { object: withRevision(current, answer.revision), removed: true };
  }

  async #put(context: Context, resource: StoredResource, key: string, object: KubeObject): Promise<Operation> {
    const value = encodeStored(object);
    if (!resource.ttlSeconds) return { type: 'put', key, value };
    const lease = await fromStore(this.#leases.leaseFor(context, resource.ttlSeconds));
    return { type: 'put', key, value, lease };
  }

  async #read(context: Context, key: string): Promise<KeyValue | undefined> {
    const { kvs } = await fromStore(this.#etcd.range(context, { key }));
    return kvs[0];
  }

  #remember(key: string, object: KubeObject, atRevision: Revision): KubeObject {
    const stored = withRevision(object, atRevision);
    this.#memory.remember(key, atRevision, stored);
    return stored;
  }
}

function conditionOf(guard: Guard | undefined): readonly Compare[] {
  return guard ? [{ key: guard.key, target: 'mod', result: '=', modRevision: guard.modRevision }] : [];
}

/** Upstream's texts of `Preconditions.Check` (k8s.io/apiserver/pkg/storage, release 1.36). */
export function checkPreconditions(
  resource: GroupResource,
  name: string,
  current: KubeObject,
  preconditions: Preconditions | undefined,
): void {
  const { uid, resourceVersion } = preconditions ?? {};
  if (uid !== undefined && uid !== current.metadata.uid) {
    const message = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid ?? ''}`;
    throw conflict(resource, name, message);
  }
  if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
    const message = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${current.metadata.resourceVersion ?? ''}`;
    throw conflict(resource, name, message);
  }
}
