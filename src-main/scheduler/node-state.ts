import type { Node, Pod } from '#api/gen/types';
import { objectKey } from '#api/machinery/object';
import { controllerOf } from '#client/owner-references';
import { allocatableOf, podRequest, type Amounts } from './requests.ts';

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/**
 * One node and the pods on it, with the sums that plugins ask for kept up to date pod by pod (`framework.NodeInfo`,
 * release 1.36). A node that is gone while pods still name it has no `node`.
 */
export class NodeState {
  readonly name: string;
  readonly #pods = new Map<string, Pod>();
  /** Pods that refuse company: the only ones whose rules newcomers have to be checked against. */
  readonly #withAntiAffinity = new Map<string, Pod>();
  readonly #requested = new Map<string, number>();
  readonly #byController = new Map<string, number>();
  readonly #imageBytes = new Map<string, number>();
  #nonZeroCpu = 0;
  #nonZeroMemory = 0;
  #node: Node | undefined;
  #allocatable: Amounts = new Map();

  constructor(name: string) {
    this.name = name;
  }

  get node(): Node | undefined {
    return this.#node;
  }

  set node(node: Node | undefined) {
    this.#node = node;
    this.#allocatable = node ? allocatableOf(node) : new Map();
    this.#imageBytes.clear();
    for (const image of node?.status?.images ?? []) {
      for (const name of image.names ?? []) this.#imageBytes.set(name, image.sizeBytes ?? 0);
    }
  }

  get pods(): ReadonlyMap<string, Pod> {
    return this.#pods;
  }

  get podsWithAntiAffinity(): IterableIterator<Pod> {
    return this.#withAntiAffinity.values();
  }

  get nonZeroRequested(): { readonly cpu: number; readonly memory: number } {
    return { cpu: this.#nonZeroCpu, memory: this.#nonZeroMemory };
  }

  allocatable(resource: string): number {
    return this.#allocatable.get(resource) ?? 0;
  }

  requested(resource: string): number {
    return this.#requested.get(resource) ?? 0;
  }

  /** Bytes of an image that is on the node already; undefined when it is not. */
  imageBytes(image: string): number | undefined {
    return this.#imageBytes.get(image);
  }

  /** Pods on the node that one controller owns. */
  countOfController(uid: string): number {
    return this.#byController.get(uid) ?? 0;
  }

  /** Puts `pod` on the node, in the place of an older version of itself. */
  add(pod: Pod): void {
    const key = objectKey(pod);
    this.remove(key);
    this.#pods.set(key, pod);
    if (pod.spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.length) {
      this.#withAntiAffinity.set(key, pod);
    }
    this.#count(pod, 1);
  }

  remove(key: string): void {
    const pod = this.#pods.get(key);
    if (!pod) return;
    this.#pods.delete(key);
    this.#withAntiAffinity.delete(key);
    this.#count(pod, -1);
  }

  /** A copy to try things on. */
  clone(): NodeState {
    const copy = new NodeState(this.name);
    copy.node = this.#node;
    for (const pod of this.#pods.values()) copy.add(pod);
    return copy;
  }

  #count(pod: Pod, sign: 1 | -1): void {
    const { amounts, nonZero } = podRequest(pod);
    for (const [name, amount] of amounts) this.#requested.set(name, this.requested(name) + sign * amount);
    this.#nonZeroCpu += sign * nonZero.cpu;
    this.#nonZeroMemory += sign * nonZero.memory;
    const controller = controllerOf(pod)?.uid;
    if (controller === undefined) return;
    const count = this.countOfController(controller) + sign;
    if (count === 0) this.#byController.delete(controller);
    else this.#byController.set(controller, count);
  }
}

/** The ports of the node that `pod` takes for itself. */
export function hostPortsOf(pod: Pod): readonly HostPort[] {
  const ports: HostPort[] = [];
  const sidecars = (pod.spec.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  for (const container of [...sidecars, ...pod.spec.containers]) {
    for (const { hostPort, hostIP, protocol } of container.ports ?? []) {
      if (hostPort) ports.push({ ip: hostIP || '0.0.0.0', protocol: protocol ?? 'TCP', port: hostPort });
    }
  }
  return ports;
}
