import type { Lease, Node } from '#api/gen/types';
import type { MachineTruth } from '#contract/labs';
import { duration, epochOf } from './time.view-model.ts';
import type { Tone } from './pod.view-model.ts';

export interface NodeHealth {
  /** For tests and styles; `believed` means: the machine is gone and the API server does not know yet. */
  readonly state: 'ready' | 'not-ready' | 'believed' | 'joining';
  readonly tone: Tone;
  /** `Ready`, `NotReady 28 s`. */
  readonly word: string;
  readonly cordoned: boolean;
  /** Whether the machine is there, whatever is believed. */
  readonly gone: boolean;
  /** Since when the Ready condition is what it is. */
  readonly sinceMs: number | undefined;
}

export function nodeHealth(node: Node | undefined, truth: MachineTruth | undefined, nowMs: number): NodeHealth {
  const gone = truth !== undefined && (truth.state === 'killed' || truth.state === 'stopped');
  const cordoned = node?.spec?.unschedulable === true;
  const ready = node?.status?.conditions?.find((one) => one.type === 'Ready');
  const sinceMs = epochOf(ready?.lastTransitionTime);
  const common = { cordoned, gone, sinceMs };
  if (!ready)
    return gone
      ? { ...common, state: 'not-ready', tone: 'bad', word: 'Down' }
      : { ...common, state: 'joining', tone: 'idle', word: 'Joining' };
  if (ready.status !== 'True') {
    const age = sinceMs === undefined ? '' : ` ${duration(nowMs - sinceMs)}`;
    return { ...common, state: 'not-ready', tone: 'bad', word: `NotReady${age}` };
  }
  if (gone) return { ...common, state: 'believed', tone: 'warn', word: 'Ready?' };
  return { ...common, state: 'ready', tone: cordoned ? 'warn' : 'ok', word: 'Ready' };
}

/** Conditions that say something is wrong: pressure, no network. */
export function troubles(node: Node | undefined): readonly string[] {
  return (node?.status?.conditions ?? [])
    .filter((one) => one.type !== 'Ready' && one.status === 'True')
    .map((one) => one.type);
}

/** Milliseconds since the kubelet last renewed its lease; undefined when it has none. */
export function leaseAgeMs(lease: Lease | undefined, nowMs: number): number | undefined {
  const renewed = epochOf(lease?.spec?.renewTime);
  return renewed === undefined ? undefined : Math.max(0, nowMs - renewed);
}

/** What to show beside a node's name: its kind and its zone. */
export function nodeTags(node: Node | undefined, truth: MachineTruth | undefined): readonly string[] {
  const zone = node?.metadata?.labels?.['topology.kubernetes.io/zone'];
  const kind = truth?.driver === 'embedded' ? 'sim' : truth?.driver;
  return [...(kind ? [kind] : []), ...(zone ? [`zone ${zone}`] : [])];
}

export interface LabHealth {
  readonly tone: Tone;
  /** `Healthy: 3 of 3 nodes Ready`. */
  readonly words: string;
}

export function labHealth(healths: readonly NodeHealth[], componentsDown: readonly string[]): LabHealth {
  const ready = healths.filter((one) => one.state === 'ready').length;
  const count = `${ready} of ${healths.length} nodes Ready`;
  if (componentsDown.length > 0) return { tone: 'bad', words: `${componentsDown.join(', ')} down · ${count}` };
  if (healths.length === 0) return { tone: 'idle', words: 'No nodes yet' };
  if (ready === healths.length) return { tone: 'ok', words: `Healthy: ${count}` };
  if (healths.some((one) => one.state === 'joining') && !healths.some((one) => one.gone))
    return { tone: 'warn', words: `Starting: ${count}` };
  return { tone: ready === 0 ? 'bad' : 'warn', words: `${ready === 0 ? 'Down' : 'Degraded'}: ${count}` };
}
