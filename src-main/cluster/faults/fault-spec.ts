import { MachineError } from '#machines/errors';
import { apiEnd, type FaultSpec } from '#machines/faults';

/** The node that a fault happens on, and the other end of its link. */
export function endsOf(spec: FaultSpec): readonly [string, string | undefined] {
  if (spec.kind === 'shape') return [spec.from, spec.to];
  if (spec.kind !== 'cut') return [spec.node, undefined];
  return spec.from === apiEnd ? [spec.to, spec.from] : [spec.from, spec.to];
}

/** Throws MachineError INVALID for what makes no sense on any node. */
export function checkFaultSpec(spec: FaultSpec): void {
  const [name, peer] = endsOf(spec);
  if (peer === name) throw new MachineError('INVALID', `a link needs two ends: ${name} is both`);
  switch (spec.kind) {
    case 'shape': {
      const { latencyMs, lossPercent, rateKbit } = spec;
      if (latencyMs === undefined && lossPercent === undefined && rateKbit === undefined)
        throw new MachineError('INVALID', 'say what to do to the link: a latency, a loss or a rate');
      between('the latency', latencyMs, 1, 60_000, 'ms');
      between('the loss', lossPercent, 0.01, 100, '%');
      between('the rate', rateKbit, 8, 10_000_000, 'kbit/s');
      return;
    }
    case 'disk':
      return between('what is left free of the disk', spec.freePercent, 0, 99, '%');
    case 'memory':
      return between('the memory', spec.bytes, 1024 ** 2, 1024 ** 4, 'bytes');
    case 'cpu':
      return between('the number of cores', spec.cores, 1, 256, 'cores');
    case 'pids':
      return between('the number of processes', spec.count, 1, 100_000, 'processes');
    default:
  }
}

function between(what: string, value: number | undefined, least: number, most: number, unit: string): void {
  if (value === undefined || (value >= least && value <= most)) return;
  throw new MachineError('INVALID', `${what} is from ${least} to ${most} ${unit}, not ${value}`);
}
