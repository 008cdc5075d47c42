import type { FaultSpec } from '#contract/faults';
import { sizeWords } from './fault.view-model.ts';

/** What a person can break on a node with one press, with amounts that are felt. */
export interface FaultChoice {
  readonly id: string;
  readonly group: 'Machine' | 'Processes' | 'Pressure';
  readonly label: string;
  /** The amount, where there is one. */
  readonly hint: string;
  readonly spec: FaultSpec;
}

export interface NodeSize {
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** Shares of a node that a press takes: enough for the kubelet to act on, not all of it. */
const memoryShare = 0.8;
const freePercent = 3;
const processes = 20_000;

export function faultChoices(node: string, { cpus, memoryBytes }: NodeSize): readonly FaultChoice[] {
  const machine = (['stop', 'kill', 'pause', 'restart'] as const).map((action): FaultChoice => {
    const labels = { stop: 'Stop in order', kill: 'Kill', pause: 'Pause', restart: 'Restart' };
    const hints = { stop: 'shutdown', kill: 'power loss', pause: 'frozen', restart: 'heals itself' };
    return choice(action, 'Machine', labels[action], hints[action], { kind: 'node', node, action });
  });
  const programs = (['kubelet', 'kube-proxy', 'containerd', 'network'] as const).map((process) =>
    choice(`kill-${process}`, 'Processes', `Kill ${process === 'network' ? 'the network agent' : process}`, '', {
      kind: 'process',
      node,
      process,
    }),
  );
  const bytes = Math.round(memoryBytes * memoryShare);
  return [
    ...machine,
    ...programs,
    choice('disk', 'Pressure', 'Fill the disk', `${freePercent} % left`, { kind: 'disk', node, freePercent }),
    choice('memory', 'Pressure', 'Press memory', sizeWords(bytes), { kind: 'memory', node, bytes }),
    choice('cpu', 'Pressure', 'Press CPU', cpus === 1 ? '1 core' : `${cpus} cores`, { kind: 'cpu', node, cores: cpus }),
    choice('pids', 'Pressure', 'Press process ids', `${processes / 1000} thousand`, {
      kind: 'pids',
      node,
      count: processes,
    }),
    choice('dns', 'Pressure', 'Drop DNS', 'its pods’ queries', { kind: 'dns', node }),
  ];
}

function choice(id: string, group: FaultChoice['group'], label: string, hint: string, spec: FaultSpec): FaultChoice {
  return { id, group, label, hint, spec };
}

/** What is done to a link, as the dialog asks for it. */
export interface LinkDraft {
  readonly from: string;
  readonly to: string;
  readonly how: 'cut' | 'one-way' | 'slow';
  /** Texts of the fields; empty means: not that. */
  readonly latencyMs: string;
  readonly lossPercent: string;
  readonly rateKbit: string;
}

/** The fault, or what is wrong with the draft. */
export function linkSpec(draft: LinkDraft): { readonly spec: FaultSpec } | { readonly problem: string } {
  const { from, to, how } = draft;
  if (from === to) return { problem: 'choose two different ends' };
  if (how !== 'slow') return { spec: { kind: 'cut', from, to, ...(how === 'one-way' ? { oneWay: true } : {}) } };
  if (from === 'api') return { problem: 'the API server cannot be slowed; slow the node’s end' };
  const amounts = {
    latencyMs: amountOf(draft.latencyMs, 1, 60_000),
    lossPercent: amountOf(draft.lossPercent, 0.1, 100),
    rateKbit: amountOf(draft.rateKbit, 1, 100_000_000),
  };
  const names = { latencyMs: 'latency: 1 to 60000', lossPercent: 'loss: up to 100', rateKbit: 'rate: 1 or more' };
  for (const [key, amount] of Object.entries(amounts))
    if (amount === 'bad') return { problem: names[key as keyof typeof names] };
  const given = Object.entries(amounts).filter(([, amount]) => typeof amount === 'number');
  if (given.length === 0) return { problem: 'say how slow: latency, loss or rate' };
  return { spec: { kind: 'shape', from, to, ...Object.fromEntries(given) } };
}

function amountOf(text: string, min: number, max: number): number | 'bad' | undefined {
  if (text.trim() === '') return undefined;
  const amount = Number(text);
  return amount >= min && amount <= max ? amount : 'bad';
}

/** For how long, in seconds. */
export const faultDurations = [
  { id: '30', label: '30 s' },
  { id: '120', label: '2 min' },
  { id: '600', label: '10 min' },
  { id: '3600', label: '1 h' },
] as const;
