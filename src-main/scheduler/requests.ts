import type { Container, Node, Pod, PodSpec } from '#api/gen/types';
import { quantityMilli, quantityValue } from '#base/quantity';

/** Amounts by resource name: `cpu` in millicores, everything else in whole units (bytes, pods, devices). */
export type Amounts = ReadonlyMap<string, number>;

export interface PodRequest {
  /** What the pod asks for. */
  readonly amounts: Amounts;
  /** CPU and memory as scores count them: containers that ask for nothing count for a little. */
  readonly nonZero: { readonly cpu: number; readonly memory: number };
}

/** `schedutil.DefaultMilliCPURequest` and `DefaultMemoryRequest`, release 1.36. */
const defaultMilliCpu = 100;
const defaultMemoryBytes = 200 * 1024 * 1024;

const remembered = new WeakMap<PodSpec, PodRequest>();

/**
 * What a pod needs of its node (`resourcehelper.PodRequests`, release 1.36): its containers and sidecars together, or its
 * largest init container with the sidecars started before it, whichever is more; plus overhead.
 */
export function podRequest(pod: Pod): PodRequest {
  const known = remembered.get(pod.spec);
  if (known) return known;
  const plain = totalOf(pod.spec, (container) => amountsOf(container.resources?.requests));
  const padded = totalOf(pod.spec, (container) => {
    const asked = amountsOf(container.resources?.requests);
    return new Map([
      ['cpu', asked.get('cpu') ?? defaultMilliCpu],
      ['memory', asked.get('memory') ?? defaultMemoryBytes],
    ]);
  });
  const request = { amounts: plain, nonZero: { cpu: padded.get('cpu') ?? 0, memory: padded.get('memory') ?? 0 } };
  remembered.set(pod.spec, request);
  return request;
}

/** What a node has for pods. */
export function allocatableOf(node: Node): Amounts {
  return amountsOf(node.status?.allocatable);
}

function totalOf(spec: PodSpec, ofContainer: (container: Container) => Amounts): Amounts {
  const total = new Map<string, number>();
  for (const container of spec.containers) add(total, ofContainer(container));
  const sidecars = new Map<string, number>();
  const peak = new Map<string, number>();
  for (const container of spec.initContainers ?? []) {
    const asked = ofContainer(container);
    if (container.restartPolicy === 'Always') {
      add(sidecars, asked);
      atLeast(peak, sidecars);
    } else {
      const together = new Map(sidecars);
      add(together, asked);
      atLeast(peak, together);
    }
  }
  add(total, sidecars);
  atLeast(total, peak);
  if (spec.resources?.requests)
    for (const [name, amount] of amountsOf(spec.resources.requests)) total.set(name, amount);
  add(total, amountsOf(spec.overhead));
  return total;
}

function amountsOf(quantities: Readonly<Record<string, string>> | undefined): Amounts {
  const amounts = new Map<string, number>();
  for (const [name, quantity] of Object.entries(quantities ?? {})) {
    amounts.set(name, name === 'cpu' ? quantityMilli(quantity) : quantityValue(quantity));
  }
  return amounts;
}

function add(to: Map<string, number>, amounts: Amounts): void {
  for (const [name, amount] of amounts) to.set(name, (to.get(name) ?? 0) + amount);
}

function atLeast(to: Map<string, number>, amounts: Amounts): void {
  for (const [name, amount] of amounts) to.set(name, Math.max(to.get(name) ?? 0, amount));
}
