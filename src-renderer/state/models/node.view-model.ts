import type { Lease, Node } from '#api/gen/types';
import type { Fault } from '#contract/faults';
import type { LabDriver, MachineTruth } from '#contract/labs';
import { duration, epochOf } from './time.view-model.ts';
import type { ControlPlaneHealth } from './master.view-model.ts';
import type { Tone } from './pod.view-model.ts';

export interface NodeHealth {
  /** For tests and styles; `believed` means: something is wrong with the machine and the API server does not know yet. */
  readonly state: 'ready' | 'not-ready' | 'believed' | 'joining';
  readonly tone: Tone;
  /** `Ready`, `NotReady 28 s`. */
  readonly word: string;
  readonly cordoned: boolean;
  /** Whether the machine is off, whatever is believed. */
  readonly gone: boolean;
  /** Why the API server's word about the node cannot be trusted; undefined while it can. */
  readonly doubt: 'gone' | 'paused' | 'unreachable' | 'cut' | undefined;
  /** Since when the Ready condition is what it is. */
  readonly sinceMs: number | undefined;
}

/** `cut`: the fault that keeps the node's words from the API server. */
export function nodeHealth(
  node: Node | undefined,
  truth: MachineTruth | undefined,
  nowMs: number,
  cut?: Fault,
): NodeHealth {
  const gone = truth !== undefined && (truth.state === 'killed' || truth.state === 'stopped');
  const cordoned = node?.spec?.unschedulable === true;
  const ready = node?.status?.conditions?.find((one) => one.type === 'Ready');
  const sinceMs = epochOf(ready?.lastTransitionTime);
  const doubt = gone ? 'gone' : (doubtOf(truth) ?? (cut ? 'cut' : undefined));
  const common = { cordoned, gone, doubt, sinceMs } as const;
  if (!ready)
    return gone
      ? { ...common, state: 'not-ready', tone: 'bad', word: 'Down' }
      : { ...common, state: 'joining', tone: 'idle', word: 'Joining' };
  if (ready.status !== 'True') {
    const age = sinceMs === undefined ? '' : ` ${duration(nowMs - sinceMs)}`;
    return { ...common, state: 'not-ready', tone: 'bad', word: `NotReady${age}` };
  }
  if (doubt) return { ...common, state: 'believed', tone: 'warn', word: 'Ready?' };
  return { ...common, state: 'ready', tone: cordoned ? 'warn' : 'ok', word: 'Ready' };
}

function doubtOf(truth: MachineTruth | undefined): 'paused' | 'unreachable' | undefined {
  return truth?.state === 'paused' || truth?.state === 'unreachable' ? truth.state : undefined;
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

/** What a node is, as its badge says it. */
export interface NodeKind {
  readonly id: LabDriver;
  /** `sim`, `docker`, `ssh jane@10.0.0.7` */
  readonly text: string;
  readonly explained: string;
}

/** The machine says it; of a node whose machine is not known, as in the past, its label or its runtime does. */
export function nodeKind(node: Node | undefined, truth: MachineTruth | undefined): NodeKind | undefined {
  const id = truth?.driver ?? kindByLabel(node) ?? kindByRuntime(node);
  if (id === 'embedded') return { id, text: 'sim', explained: 'Simulated inside this app' };
  if (id === 'docker') return { id, text: 'docker', explained: 'A Docker container with real pods' };
  const target = truth?.target;
  if (id === 'ssh') return { id, text: target ? `ssh ${target}` : 'ssh', explained: 'A machine reached by SSH' };
  return undefined;
}

function kindByLabel(node: Node | undefined): LabDriver | undefined {
  const label = node?.metadata?.labels?.['drydock.dev/driver'];
  return label === 'embedded' || label === 'docker' || label === 'ssh' ? label : undefined;
}

function kindByRuntime(node: Node | undefined): LabDriver | undefined {
  return node?.status?.nodeInfo?.containerRuntimeVersion?.startsWith('simulator://') ? 'embedded' : undefined;
}

export function nodeZone(node: Node | undefined): string | undefined {
  return node?.metadata?.labels?.['topology.kubernetes.io/zone'];
}

export interface NodeImage {
  readonly name: string;
  readonly sizeBytes: number;
}

/** Images that the kubelet reports, the largest first. Digests are left to the YAML. */
export function nodeImages(node: Node | undefined): readonly NodeImage[] {
  return (node?.status?.images ?? [])
    .map(({ names = [], sizeBytes = 0 }) => ({
      name: names.find((name) => !name.includes('@')) ?? names[0] ?? '<none>',
      sizeBytes: Number(sizeBytes),
    }))
    .sort((a, b) => b.sizeBytes - a.sizeBytes || (a.name < b.name ? -1 : 1));
}

export interface LabHealth {
  readonly tone: Tone;
  /** `Healthy: 3 of 3 nodes Ready`. */
  readonly words: string;
}

export function labHealth(healths: readonly NodeHealth[], controlPlane: ControlPlaneHealth): LabHealth {
  const ready = healths.filter((one) => one.state === 'ready').length;
  const count = `${ready} of ${healths.length} nodes Ready`;
  const { tone, down } = controlPlane;
  if (down.length > 0) return { tone, words: `${down.join(', ')} down · ${count}` };
  if (healths.length === 0) return { tone: 'idle', words: 'No nodes yet' };
  if (ready === healths.length) return { tone: 'ok', words: `Healthy: ${count}` };
  if (healths.some((one) => one.state === 'joining') && !healths.some((one) => one.doubt))
    return { tone: 'warn', words: `Starting: ${count}` };
  return { tone: ready === 0 ? 'bad' : 'warn', words: `${ready === 0 ? 'Down' : 'Degraded'}: ${count}` };
}
