import type { Container, Node, Pod } from '#api/gen/types';
import { quantityMilli, quantityValue } from '#base/quantity';
import { isFinished } from './pod.view-model.ts';

/** CPU in millicores, memory in bytes. */
export interface Amounts {
  readonly cpu: number;
  readonly memory: number;
}

export interface Share {
  readonly name: 'cpu' | 'mem' | 'pods';
  readonly used: number;
  readonly total: number;
  /** 0 to 1; 0 when there is no total. */
  readonly fraction: number;
  /** `0.8 / 2`, `0.6 / 2 Gi`, `6 / 110`. */
  readonly text: string;
}

/** Pods are immutable: what they ask for is counted once. */
const counted = new WeakMap<Pod, Amounts>();

/** Requests of one pod, as the scheduler counts them: containers together, or the largest init container. */
export function podRequests(pod: Pod): Amounts {
  const known = counted.get(pod) ?? countRequests(pod);
  counted.set(pod, known);
  return known;
}

function countRequests(pod: Pod): Amounts {
  const sum = (pod.spec?.containers ?? []).map(containerRequests).reduce(add, { cpu: 0, memory: 0 });
  const init = (pod.spec?.initContainers ?? []).map(containerRequests);
  const overhead = amountsOf(pod.spec?.overhead);
  const most = (pick: (amounts: Amounts) => number): number => Math.max(pick(sum), ...init.map(pick));
  return add({ cpu: most((one) => one.cpu), memory: most((one) => one.memory) }, overhead);
}

/** What the pods of a node ask for, against what the node has to give. */
export function nodeShares(node: Node | undefined, pods: readonly Pod[]): readonly Share[] {
  const holding = pods.filter((pod) => !isFinished(pod));
  const used = holding.map(podRequests).reduce(add, { cpu: 0, memory: 0 });
  const allocatable = node?.status?.allocatable ?? {};
  const total = amountsOf(allocatable);
  const podTotal = quantityValue(allocatable['pods'] ?? 0);
  return [
    share('cpu', used.cpu, total.cpu, `${cores(used.cpu)} / ${cores(total.cpu)}`),
    share('mem', used.memory, total.memory, `${gibibytes(used.memory)} / ${gibibytes(total.memory)} Gi`),
    share('pods', holding.length, podTotal, `${holding.length} / ${podTotal}`),
  ];
}

function share(name: Share['name'], used: number, total: number, text: string): Share {
  return { name, used, total, fraction: total > 0 ? Math.min(1, used / total) : 0, text };
}

function containerRequests(container: Container): Amounts {
  return amountsOf(container.resources?.requests);
}

function amountsOf(resources: Readonly<Record<string, string | number>> | undefined): Amounts {
  return { cpu: quantityMilli(resources?.['cpu'] ?? 0), memory: quantityValue(resources?.['memory'] ?? 0) };
}

function add(a: Amounts, b: Amounts): Amounts {
  return { cpu: a.cpu + b.cpu, memory: a.memory + b.memory };
}

function cores(milli: number): string {
  return trim(milli / 1000);
}

function gibibytes(bytes: number): string {
  return trim(bytes / 1024 ** 3);
}

/** One decimal under ten, none above; no trailing zero. */
function trim(value: number): string {
  return value >= 10 ? String(Math.round(value)) : String(Math.round(value * 10) / 10);
}
