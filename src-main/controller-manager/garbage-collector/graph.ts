import type { OwnerReference } from '#api/gen/types';
import type { GroupVersionResource, KubeObject } from '#api/machinery/object';

/** One object, as far as ownership goes. */
export interface GraphNode {
  readonly uid: string;
  /** Undefined for an owner that is only known by name: dependents point at it, no watch has shown it. */
  readonly object: KubeObject | undefined;
  readonly resource: GroupVersionResource | undefined;
  /** The reference that named it, for such an owner, and the namespace it would be in. */
  readonly reference: OwnerReference | undefined;
  readonly namespace: string;
  readonly dependents: ReadonlySet<string>;
}

/**
 * Who owns whom, by uid (`garbagecollector/graph.go`, release 1.36). An edge is there as long as the dependent names the
 * owner, whether the owner was seen or not:
 *
 *   Pod names ReplicaSet R      R stands in the graph by name only
 *   the watch shows R           R is complete, its dependents are known already
 *   R is deleted                R stays while dependents point at it, by name only again
 */
export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode & { readonly dependents: Set<string> }>();

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  /** Puts in what the watch showed. Returns the owners that are known by name only. */
  set(object: KubeObject, resource: GroupVersionResource): readonly string[] {
    const { uid = '', namespace = '', ownerReferences = [] } = object.metadata;
    const before = this.#nodes.get(uid);
    const dependents = before?.dependents ?? new Set<string>();
    for (const { uid: owner } of before?.object?.metadata.ownerReferences ?? []) this.#unlink(owner, uid);
    this.#nodes.set(uid, { uid, object, resource, reference: undefined, namespace, dependents });
    return ownerReferences.flatMap((reference) => (this.#link(reference, uid, namespace) ? [] : [reference.uid]));
  }

  /** The object is gone. Returns what pointed at it. */
  delete(uid: string): readonly string[] {
    const node = this.#nodes.get(uid);
    if (!node) return [];
    for (const { uid: owner } of node.object?.metadata.ownerReferences ?? []) this.#unlink(owner, uid);
    if (node.dependents.size === 0) this.#nodes.delete(uid);
    else this.#nodes.set(uid, { ...node, object: undefined, resource: undefined });
    return [...node.dependents];
  }

  dependentsOf(uid: string): readonly GraphNode[] {
    return [...(this.#nodes.get(uid)?.dependents ?? [])].flatMap((dependent) => this.#nodes.get(dependent) ?? []);
  }

  /** Whether the owner has been seen. */
  #link(reference: OwnerReference, dependent: string, namespace: string): boolean {
    let owner = this.#nodes.get(reference.uid);
    if (!owner) {
      owner = {
        uid: reference.uid,
        object: undefined,
        resource: undefined,
        reference,
        namespace,
        dependents: new Set(),
      };
      this.#nodes.set(reference.uid, owner);
    }
    owner.dependents.add(dependent);
    return owner.object !== undefined;
  }

  #unlink(owner: string, dependent: string): void {
    const node = this.#nodes.get(owner);
    if (!node) return;
    node.dependents.delete(dependent);
    if (node.dependents.size === 0 && !node.object) this.#nodes.delete(owner);
  }
}

/** Deleted in the foreground: waits for its dependents. */
export function isDeletingDependents(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined && hasFinalizer(object, 'foregroundDeletion');
}

/** Deleted with its dependents to be let go. */
export function isOrphaning(object: KubeObject): boolean {
  return object.metadata.deletionTimestamp !== undefined && hasFinalizer(object, 'orphan');
}

export function hasFinalizer(object: KubeObject, finalizer: string): boolean {
  return object.metadata.finalizers?.includes(finalizer) === true;
}
