import { apiEnd, type Fault, type FaultSpec } from '#contract/faults';
import type { Tone } from './pod.view-model.ts';
import { clockTime } from './time.view-model.ts';

/** A fault between two places of the map, drawn as a line from one to the other. */
export interface LinkMark {
  readonly fault: Fault;
  readonly from: string;
  readonly to: string;
  readonly oneWay: boolean;
  /** A cut lets nothing through, a slow link something. */
  readonly look: 'cut' | 'slow';
  /** `cut`, `200 ms, 5 % loss` */
  readonly words: string;
}

/** Whether it is in place or on its way there or back. */
export function isOpen(fault: Fault): boolean {
  return fault.state === 'applying' || fault.state === 'active' || fault.state === 'healing';
}

/** What lies between two ends. A shape without a far end belongs to its node. */
export function linkMarks(faults: readonly Fault[]): readonly LinkMark[] {
  return faults.filter(isOpen).flatMap((fault): LinkMark[] => {
    const { spec } = fault;
    if (spec.kind === 'cut') {
      const { from, to, oneWay = false } = spec;
      return [{ fault, from, to, oneWay, look: 'cut', words: oneWay ? 'cut one way' : 'cut' }];
    }
    if (spec.kind === 'shape' && spec.to !== undefined)
      return [{ fault, from: spec.from, to: spec.to, oneWay: true, look: 'slow', words: shapeWords(spec) }];
    return [];
  });
}

/** Faults of one node that no line shows. */
export function nodeFaults(faults: readonly Fault[], node: string): readonly Fault[] {
  return faults.filter((fault) => {
    const { spec } = fault;
    if (!isOpen(fault) || spec.kind === 'cut') return false;
    return spec.kind === 'shape' ? spec.from === node && spec.to === undefined : spec.node === node;
  });
}

/** The cut, if there is one, that keeps a node's words from the API server. */
export function cutFromApi(faults: readonly Fault[], node: string): Fault | undefined {
  return faults.find(({ state, spec }) => {
    if (state !== 'active' || spec.kind !== 'cut') return false;
    const towards = spec.from === node && spec.to === apiEnd;
    return towards || (spec.from === apiEnd && spec.to === node && spec.oneWay !== true);
  });
}

/** `kubelet down`, `paused`, `disk full`: for a small mark. */
export function faultWords(spec: FaultSpec): string {
  switch (spec.kind) {
    case 'node':
      return { stop: 'stopped', kill: 'killed', pause: 'paused', restart: 'restarting' }[spec.action];
    case 'process':
      return `${spec.process} down`;
    case 'cut':
      return `${endName(spec.from)} ${spec.oneWay ? '↛' : '⇹'} ${endName(spec.to)} cut`;
    case 'shape':
      return `${spec.to === undefined ? `all from ${endName(spec.from)}` : `${endName(spec.from)} → ${endName(spec.to)}`}: ${shapeWords(spec)}`;
    case 'dns':
      return 'DNS dropped';
    case 'disk':
      return `disk full to ${spec.freePercent} % free`;
    case 'memory':
      return `memory pressed, ${sizeWords(spec.bytes)}`;
    case 'cpu':
      return `CPU pressed, ${spec.cores} ${spec.cores === 1 ? 'core' : 'cores'}`;
    case 'pids':
      return `${spec.count} processes`;
  }
}

/** The same with its node, for a list: `worker-1: kubelet down`. Links name their ends already. */
export function faultTitle(spec: FaultSpec): string {
  return spec.kind === 'cut' || spec.kind === 'shape' ? faultWords(spec) : `${spec.node}: ${faultWords(spec)}`;
}

function shapeWords(spec: Extract<FaultSpec, { kind: 'shape' }>): string {
  const parts = [
    ...(spec.latencyMs ? [`${spec.latencyMs} ms`] : []),
    ...(spec.lossPercent ? [`${spec.lossPercent} % loss`] : []),
    ...(spec.rateKbit ? [rateWords(spec.rateKbit)] : []),
  ];
  return parts.join(', ') || 'shaped';
}

function rateWords(kbit: number): string {
  return kbit >= 1000 ? `${Math.round(kbit / 100) / 10} Mbit/s` : `${kbit} kbit/s`;
}

export function sizeWords(bytes: number): string {
  if (bytes >= 1024 ** 3) return `${Math.round((bytes / 1024 ** 3) * 10) / 10} Gi`;
  if (bytes >= 1024 ** 2) return `${Math.round(bytes / 1024 ** 2)} Mi`;
  return `${Math.ceil(bytes / 1024)} Ki`;
}

export function endName(end: string): string {
  return end === apiEnd ? 'API server' : end;
}

/** What is left of a fault, and how much of its time that is. */
export function faultClock(fault: Fault, nowMs: number): { readonly text: string; readonly fraction: number } {
  if (fault.state === 'applying') return { text: 'applying', fraction: 1 };
  if (fault.state === 'healing') return { text: 'healing', fraction: 0 };
  const leftMs = Math.max(0, fault.expiresAtMs - nowMs);
  const wholeMs = Math.max(1, fault.expiresAtMs - fault.sinceMs);
  return { text: clockTime(leftMs), fraction: Math.min(1, leftMs / wholeMs) };
}

export function faultTone(fault: Fault): Tone {
  if (fault.state === 'healed') return 'ok';
  if (fault.state === 'failed') return 'bad';
  return fault.state === 'active' ? 'bad' : 'warn';
}

/** The same as a person would type it: `src-main/cli/faults.ts` reads it. */
export function faultCommand(lab: string, spec: FaultSpec, forSeconds: number): string {
  return `drydock fault add ${faultArguments(spec).join(' ')} --for ${forSeconds}s --name ${lab}`;
}

function faultArguments(spec: FaultSpec): readonly string[] {
  switch (spec.kind) {
    case 'node':
      return [spec.action, spec.node];
    case 'process':
      return ['process', spec.node, spec.process];
    case 'cut':
      return ['cut', spec.from, spec.to, ...(spec.oneWay ? ['--one-way'] : [])];
    case 'shape':
      return [
        ...['shape', spec.from, ...(spec.to === undefined ? [] : [spec.to])],
        ...(spec.latencyMs === undefined ? [] : [`${spec.latencyMs}ms`]),
        ...(spec.lossPercent === undefined ? [] : [`${spec.lossPercent}%`]),
        ...(spec.rateKbit === undefined ? [] : [`${spec.rateKbit}kbit`]),
      ];
    case 'dns':
      return ['dns', spec.node];
    case 'disk':
      return ['disk', spec.node, `${spec.freePercent}%`];
    case 'memory':
      return ['memory', spec.node, String(spec.bytes)];
    case 'cpu':
      return ['cpu', spec.node, String(spec.cores)];
    case 'pids':
      return ['pids', spec.node, String(spec.count)];
  }
}
