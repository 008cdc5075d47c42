import type { FaultSpec } from '#contract/faults';
import type { MachineTruth } from '#contract/labs';

export type NodeFaultKind = 'disk' | 'memory' | 'cpu' | 'pids' | 'shape';

export const nodeKinds: readonly { readonly id: NodeFaultKind; readonly label: string }[] = [
  { id: 'disk', label: 'Fill the disk' },
  { id: 'memory', label: 'Press memory' },
  { id: 'cpu', label: 'Press CPU' },
  { id: 'pids', label: 'Press process ids' },
  { id: 'shape', label: 'Slow all it sends' },
];

/** One amount that the dialog asks for. */
export interface AmountField {
  readonly id: string;
  readonly label: string;
  readonly hint: string;
  /** What it begins with. */
  readonly value: string;
}

export function nodeDraft(kind: NodeFaultKind, machine: MachineTruth | undefined): readonly AmountField[] {
  const mebibytes = Math.round((machine?.memoryBytes ?? 1024 ** 3) / 1024 ** 2);
  const cpus = machine?.cpus ?? 1;
  switch (kind) {
    case 'disk':
      return [{ id: 'freePercent', label: 'Left free, %', hint: 'the kubelet evicts below 10 %', value: '3' }];
    case 'memory':
      return [
        {
          id: 'mebibytes',
          label: 'Memory, Mi',
          hint: `the node has ${mebibytes} Mi`,
          value: String(Math.round(mebibytes * 0.8)),
        },
      ];
    case 'cpu':
      return [{ id: 'cores', label: 'Cores', hint: `the node has ${cpus}`, value: String(cpus) }];
    case 'pids':
      return [{ id: 'count', label: 'Processes', hint: '', value: '20000' }];
    case 'shape':
      return [
        { id: 'latencyMs', label: 'Latency, ms', hint: '', value: '200' },
        { id: 'lossPercent', label: 'Loss, %', hint: 'not with every kernel', value: '' },
        { id: 'rateKbit', label: 'Rate, kbit/s', hint: '', value: '' },
      ];
  }
}

/** The fault, or what is wrong with the amounts. */
export function nodeSpec(
  node: string,
  kind: NodeFaultKind,
  texts: Readonly<Record<string, string>>,
): { readonly spec: FaultSpec } | { readonly problem: string } {
  const amount = (id: string, min: number, max: number): number | undefined => {
    const text = texts[id] ?? '';
    const value = Number(text);
    return text.trim() !== '' && value >= min && value <= max ? value : undefined;
  };
  if (kind === 'disk') {
    const freePercent = amount('freePercent', 0, 100);
    return freePercent === undefined ? { problem: 'left free: 0 to 100' } : { spec: { kind, node, freePercent } };
  }
  if (kind === 'memory') {
    const mebibytes = amount('mebibytes', 1, 64 * 1024 ** 2);
    return mebibytes === undefined
      ? { problem: 'memory: 1 Mi or more' }
      : { spec: { kind, node, bytes: Math.round(mebibytes * 1024 ** 2) } };
  }
  if (kind === 'cpu') {
    const cores = amount('cores', 0.1, 1024);
    return cores === undefined ? { problem: 'cores: 0.1 or more' } : { spec: { kind, node, cores } };
  }
  if (kind === 'pids') {
    const count = amount('count', 1, 4_194_304);
    return count === undefined
      ? { problem: 'processes: 1 or more' }
      : { spec: { kind, node, count: Math.round(count) } };
  }
  const latencyMs = amount('latencyMs', 1, 60_000);
  const lossPercent = amount('lossPercent', 0.1, 100);
  const rateKbit = amount('rateKbit', 1, 100_000_000);
  if (latencyMs === undefined && lossPercent === undefined && rateKbit === undefined)
    return { problem: 'say how slow: latency, loss or rate' };
  return {
    spec: {
      ...{ kind, from: node },
      ...(latencyMs === undefined ? {} : { latencyMs }),
      ...(lossPercent === undefined ? {} : { lossPercent }),
      ...(rateKbit === undefined ? {} : { rateKbit }),
    },
  };
}
