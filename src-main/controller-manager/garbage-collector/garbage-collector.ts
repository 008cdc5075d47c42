import type { OwnerReference } from '#api/gen/types';
import { parseGroupVersion, type GroupVersionResource, type KubeObject } from '#api/machinery/object';
import { isStatus } from '#api/machinery/status';
import type { Context } from '#base/context';
import type { Disposable } from '#base/disposable';
import { present } from '#base/errors';
import type { DeleteOptions, Reconciler } from '#client/client';
import { createReconciler } from '#client/reconciler';
import { ControllerLife, type Controller, type ControllerOptions } from '../controller.ts';
import { deletableResources, type DeletableResource } from '../deletable-resources.ts';
import { hasFinalizer, isDeletingDependents, isOrphaning, OwnerGraph, type GraphNode } from './graph.ts';

export interface GarbageCollectorOptions extends ControllerOptions {
  /** What is watched. Default: everything in the resource table that can be deleted, but for Events. */
  readonly resources?: readonly DeletableResource[];
}

/** Owners known to be gone, so that five hundred pods of one ReplicaSet ask once. */
const maxAbsent = 2_000;

/**
 * Deletes what nobody owns any more (kube-controller-manager `garbagecollector`, release 1.36): in the background once
 * the owners are gone, in the foreground before them, or not at all where the owner was deleted with `orphan`.
 */
export class GarbageCollector implements Controller {
  readonly #options: GarbageCollectorOptions;
  readonly #resources: readonly DeletableResource[];
  readonly #graph = new OwnerGraph();
  readonly #absent = new Set<string>();
  readonly #reconciler: Reconciler;
  readonly #life: ControllerLife;

  constructor(options: GarbageCollectorOptions) {
    this.#options = options;
    this.#resources = options.resources ?? deletableResources.filter(({ kind }) => kind !== 'Event');
    const sync = (context: Context, uid: string): Promise<void> => this.#sync(context, uid);
    this.#reconciler = createReconciler({ ...options, name: 'garbage-collector', workers: 20, sync });
    const informers = this.#resources.map(({ resource }) => options.informers.informer<KubeObject>(resource));
    const handlers = this.#resources.map(({ resource }) => this.#watch(resource));
    this.#life = new ControllerLife(informers, [this.#reconciler], handlers);
  }

  start(context: Context): void {
    this.#life.start(context);
  }

  stop(): Promise<void> {
    return this.#life.stop();
  }

  #watch(resource: GroupVersionResource): Disposable {
    const changed = (object: KubeObject): void => {
      const { uid = '', resourceVersion } = object.metadata;
      const unseen = this.#graph.set(object, resource);
      const waits = isDeletingDependents(object) || isOrphaning(object);
      if (unseen.length > 0 || waits) this.#reconciler.enqueue(uid, resourceVersion);
      // An owner in the foreground may wait for this one to stop blocking it.
      this.#enqueueWaitingOwners(object);
    };
    return this.#options.informers.informer<KubeObject>(resource).addHandler({
      onAdd: changed,
      onUpdate: (before, object) => {
        if (before.metadata.uid !== object.metadata.uid) this.#deleted(before);
        changed(object);
      },
      onDelete: (object) => this.#deleted(object),
    });
  }

  #deleted(object: KubeObject): void {
    const { uid = '', resourceVersion } = object.metadata;
    this.#markAbsent(uid);
    for (const dependent of this.#graph.delete(uid)) this.#reconciler.enqueue(dependent, resourceVersion);
    this.#enqueueWaitingOwners(object);
  }

  #enqueueWaitingOwners(object: KubeObject): void {
    for (const { uid } of object.metadata.ownerReferences ?? []) {
      const owner = this.#graph.get(uid)?.object;
      if (owner && isDeletingDependents(owner)) this.#reconciler.enqueue(uid, object.metadata.resourceVersion);
    }
  }

  async #sync(context: Context, uid: string): Promise<void> {
    const node = this.#graph.get(uid);
    if (!node?.object) return;
    try {
      if (isOrphaning(node.object)) await this.#orphanDependents(context, node, node.object);
      else if (isDeletingDependents(node.object)) await this.#deleteDependents(context, node, node.object);
      else if (!node.object.metadata.deletionTimestamp) await this.#deleteIfUnowned(context, node, node.object);
    } catch (error) {
      // Gone meanwhile, or replaced by another of its name: the watch tells.
      if (!isStatus(error, 'NotFound')) throw error;
    }
  }

  async #deleteIfUnowned(context: Context, node: GraphNode, object: KubeObject): Promise<void> {
    const references = object.metadata.ownerReferences ?? [];
    if (references.length === 0) return;
    const states = await Promise.all(references.map((reference) => this.#stateOf(context, reference, node.namespace)));
    const solid = references.filter((_reference, i) => states[i] === 'solid');
    if (solid.length === references.length) return;
    if (solid.length > 0) {
      await this.#patchMetadata(context, node, object, { ownerReferences: solid });
      return;
    }
    if (states.includes('waiting') && this.#graph.dependentsOf(node.uid).length > 0) {
      // Its own dependents may block it in turn: it must not block its owner while it waits for them.
      const dependents = this.#graph.dependentsOf(node.uid);
      if (dependents.some((dependent) => dependent.object && isDeletingDependents(dependent.object))) {
        const ownerReferences = references.map((reference) => ({ ...reference, blockOwnerDeletion: false }));
        await this.#patchMetadata(context, node, object, { ownerReferences });
      }
      await this.#delete(context, node, 'Foreground');
      return;
    }
    const keep = hasFinalizer(object, 'orphan') ? 'Orphan' : undefined;
    const wait = hasFinalizer(object, 'foregroundDeletion') ? 'Foreground' : 'Background';
    await this.#delete(context, node, keep ?? wait);
  }

  /** Foreground: dependents that block go first, then the owner's finalizer. */
  async #deleteDependents(context: Context, node: GraphNode, object: KubeObject): Promise<void> {
    const blocking = this.#graph.dependentsOf(node.uid).filter(({ object: dependent }) => {
      return dependent?.metadata.ownerReferences?.some(
        ({ uid, blockOwnerDeletion }) => uid === node.uid && blockOwnerDeletion,
      );
    });
    for (const dependent of this.#graph.dependentsOf(node.uid)) {
      if (!dependent.object?.metadata.deletionTimestamp)
        this.#reconciler.enqueue(dependent.uid, context.cause?.revision);
    }
    if (blocking.length === 0) await this.#removeFinalizer(context, node, object, 'foregroundDeletion');
  }

  async #orphanDependents(context: Context, node: GraphNode, object: KubeObject): Promise<void> {
    const dependents = this.#graph.dependentsOf(node.uid);
    await Promise.all(
      dependents.map(async (dependent) => {
        if (!dependent.object) return;
        const ownerReferences = (dependent.object.metadata.ownerReferences ?? []).filter(({ uid }) => uid !== node.uid);
        try {
          await this.#patchMetadata(context, dependent, dependent.object, { ownerReferences });
        } catch (error) {
          if (!isStatus(error, 'NotFound')) throw error;
        }
      }),
    );
    await this.#removeFinalizer(context, node, object, 'orphan');
  }

  #removeFinalizer(context: Context, node: GraphNode, object: KubeObject, finalizer: string): Promise<void> {
    const finalizers = (object.metadata.finalizers ?? []).filter((each) => each !== finalizer);
    return this.#patchMetadata(context, node, object, { finalizers });
  }

  async #patchMetadata(
    context: Context,
    node: GraphNode,
    object: KubeObject,
    change: { readonly ownerReferences?: readonly OwnerReference[]; readonly finalizers?: readonly string[] },
  ): Promise<void> {
    const { name = '', namespace = '', uid, resourceVersion } = object.metadata;
    const resource = present(node.resource, 'a seen object has a resource');
    // Lists are replaced whole: the version keeps a change made meanwhile from being lost.
    const patch = { metadata: { uid, resourceVersion, ...change } };
    await this.#options.client.resource<KubeObject>(resource).patch(context, namespace, name, 'merge', patch);
  }

  async #delete(
    context: Context,
    node: GraphNode,
    propagationPolicy: 'Orphan' | 'Foreground' | 'Background',
  ): Promise<void> {
    const { name = '', namespace = '', uid } = node.object?.metadata ?? {};
    const resource = present(node.resource, 'a seen object has a resource');
    const options: DeleteOptions = { propagationPolicy, ...(uid ? { preconditions: { uid } } : {}) };
    try {
      await this.#options.client.resource<KubeObject>(resource).delete(context, namespace, name, options);
    } catch (error) {
      // Another object of the same name: the one that was meant is gone.
      if (!isStatus(error, 'Conflict')) throw error;
    }
  }

  /** `waiting`: the owner is being deleted and waits for its dependents. `dangling`: there is no such owner. */
  async #stateOf(
    context: Context,
    reference: OwnerReference,
    namespace: string,
  ): Promise<'solid' | 'dangling' | 'waiting'> {
    const seen = this.#graph.get(reference.uid)?.object;
    if (seen) return isDeletingDependents(seen) ? 'waiting' : 'solid';
    if (this.#absent.has(reference.uid)) return 'dangling';
    const { group } = parseGroupVersion(reference.apiVersion);
    const row = this.#resources.find((each) => each.kind === reference.kind && each.resource.group === group);
    // A kind that is not served here: nobody can say that the owner is gone.
    if (!row) return 'solid';
    try {
      const client = this.#options.client.resource<KubeObject>(row.resource);
      const owner = await client.get(context, row.namespaced ? namespace : '', reference.name);
      if (owner.metadata.uid === reference.uid) return isDeletingDependents(owner) ? 'waiting' : 'solid';
    } catch (error) {
      if (!isStatus(error, 'NotFound')) throw error;
    }
    this.#markAbsent(reference.uid);
    return 'dangling';
  }

  #markAbsent(uid: string): void {
    this.#absent.add(uid);
    if (this.#absent.size <= maxAbsent) return;
    const oldest = this.#absent.values().next();
    if (!oldest.done) this.#absent.delete(oldest.value);
  }
}
