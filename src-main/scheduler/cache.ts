import type { Node, Pod } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { NodeState } from './node-state.ts';

/**
 * What the scheduler believes (`internal/cache`, release 1.36): what the informers said, and on top of it the pods it has
 * assigned itself and not yet seen come back. A pod goes
 *
 *   assume -> add        the binding came back through the watch
 *   assume -> forget     the binding failed: the room it took is free again
 */
export class SchedulerCache {
  readonly #nodes = new Map<string, NodeState>();
  /** Node name of every pod counted somewhere. */
  readonly #placed = new Map<string, string>();
  readonly #assumed = new Set<string>();
  /** Pods that wait for room made for them by preemption, by the node it was made on. */
  readonly #nominated = new Map<string, Map<string, Pod>>();
  #snapshot: readonly NodeState[] | undefined;

  /** The nodes there are, in order of arrival. */
  get nodes(): readonly NodeState[] {
    this.#snapshot ??= [...this.#nodes.values()].filter((state) => state.node !== undefined);
    return this.#snapshot;
  }

  node(name: string): NodeState | undefined {
    return this.#nodes.get(name);
  }

  setNode(node: Node): void {
    this.#state(node.metadata.name ?? '').node = node;
    this.#snapshot = undefined;
  }

  removeNode(name: string): void {
    const state = this.#nodes.get(name);
    if (!state) return;
    state.node = undefined;
    if (state.pods.size === 0) this.#nodes.delete(name);
    this.#snapshot = undefined;
  }

  /** An assigned pod as the informer knows it. */
  add(pod: Pod): void {
    const key = objectKey(pod);
    this.#assumed.delete(key);
    this.#place(key, pod, pod.spec.nodeName ?? '');
  }

  remove(key: string): void {
    this.#assumed.delete(key);
    this.#displace(key);
  }

  /** Counts `pod` on a node before the API server knows. */
  assume(pod: Pod, nodeName: string): void {
    const key = objectKey(pod);
    this.#assumed.add(key);
    this.#place(key, { ...pod, spec: { ...pod.spec, nodeName } }, nodeName);
  }

  isAssumed(key: string): boolean {
    return this.#assumed.has(key);
  }

  /** Takes an assumption back. Does nothing once the pod has come through the watch. */
  forget(key: string): void {
    if (this.#assumed.delete(key)) this.#displace(key);
  }

  nominate(pod: Pod, nodeName: string): void {
    this.unnominate(objectKey(pod));
    const pods = this.#nominated.get(nodeName) ?? new Map<string, Pod>();
    this.#nominated.set(nodeName, pods);
    pods.set(objectKey(pod), pod);
  }

  unnominate(key: string): void {
    for (const [nodeName, pods] of this.#nominated) {
      if (pods.delete(key) && pods.size === 0) this.#nominated.delete(nodeName);
    }
  }

  /** Pods for which room on a node is kept, but for `pod` itself and those less important. */
  nominatedOn(nodeName: string, pod: Pod): readonly Pod[] {
    const pods = this.#nominated.get(nodeName);
    if (!pods) return [];
    const key = objectKey(pod);
    return [...pods.values()].filter((other) => objectKey(other) !== key && priorityOf(other) >= priorityOf(pod));
  }

  #state(name: string): NodeState {
    let state = this.#nodes.get(name);
    if (!state) {
      state = new NodeState(name);
      this.#nodes.set(name, state);
    }
    return state;
  }

  #place(key: string, pod: Pod, nodeName: string): void {
    if (this.#placed.get(key) !== nodeName) this.#displace(key);
    this.#placed.set(key, nodeName);
    this.#state(nodeName).add(pod);
  }

  #displace(key: string): void {
    const nodeName = this.#placed.get(key);
    if (nodeName === undefined) return;
    this.#placed.delete(key);
    const state = this.#nodes.get(nodeName);
    state?.remove(key);
    if (state && !state.node && state.pods.size === 0) this.#nodes.delete(nodeName);
  }
}

/** The number that orders pods; the API server has resolved priority classes into it. */
export function priorityOf(pod: Pod): number {
  return pod.spec.priority ?? 0;
}
