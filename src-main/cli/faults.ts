import { StatusError } from '#api/machinery/status';
import { parseQuantityNano } from '#base/quantity';
import { apiEnd, type Fault, type FaultSpec } from '#contract/faults';
import type { ControlClient } from '#host/control-client';
import { UsageError } from './options.ts';
import { renderTable } from './output.ts';

/** One kind of `drydock fault add`: how it is written, and how that is read. */
interface FaultKind {
  /** After the kind: `NODE [FREE%]`. */
  readonly usage: string;
  readonly help: string;
  readonly least: number;
  readonly most: number;
  readonly decode: (words: readonly string[], oneWay: boolean) => FaultSpec;
}

const power = (action: 'stop' | 'kill' | 'pause' | 'restart', help: string): FaultKind => ({
  ...{ usage: 'NODE', help, least: 1, most: 1 },
  decode: ([node = '']) => ({ kind: 'node', node, action }),
});

/** Of what leaves a node, for one other node or for all. */
const shape = (
  unit: string,
  help: string,
  read: (text: string) => { latencyMs?: number; lossPercent?: number; rateKbit?: number },
): FaultKind => ({
  ...{ usage: `NODE [NODE] ${unit}`, help, least: 2, most: 3 },
  decode: (words) => {
    const [from = '', to] = words;
    return {
      ...{ kind: 'shape', from },
      ...(words.length === 3 && to !== undefined ? { to } : {}),
      ...read(words[words.length - 1] ?? ''),
    };
  },
});

/** Several amounts at once: each says by its unit what it is. */
const shapeOf = (amounts: readonly string[]): { latencyMs?: number; lossPercent?: number; rateKbit?: number } =>
  Object.assign(
    {},
    ...amounts.map((amount) => {
      if (amount.endsWith('%')) return { lossPercent: readPercent(amount) };
      if (amount.endsWith('bit')) return { rateKbit: readRate(amount) };
      return { latencyMs: readMs(amount, 'amounts such as 200ms, 5% or 1mbit') };
    }),
  );

const programs = ['kubelet', 'kube-proxy', 'containerd', 'network'] as const;

export const faultKinds: Readonly<Record<string, FaultKind>> = {
  cut: {
    ...{ usage: `NODE NODE|${apiEnd}`, help: 'drop all packets between them; with --one-way only from the first' },
    ...{ least: 2, most: 2 },
    decode: ([from = '', to = ''], oneWay) => ({ kind: 'cut', from, to, ...(oneWay ? { oneWay } : {}) }),
  },
  latency: shape('TIME', 'delay what the first sends, to the second or to all', (text) => ({
    latencyMs: readMs(text, 'a time such as 200ms or 2s'),
  })),
  loss: shape('PERCENT', 'lose some of what the first sends', (text) => ({ lossPercent: readPercent(text) })),
  rate: shape('RATE', 'limit what the first sends: 500kbit, 1mbit', (text) => ({ rateKbit: readRate(text) })),
  shape: {
    ...{ usage: 'NODE [NODE] AMOUNT...', help: 'several of these at once: 200ms 5% 1mbit', least: 2, most: 5 },
    decode: (words) => {
      const [from = '', second = '', ...rest] = words;
      const isAmount = /^\d[\d.]*(ms|s|m|h|%|[kmg]bit)$/i.test(second);
      const amounts = isAmount ? [second, ...rest] : rest;
      if (amounts.length === 0) throw new UsageError(`fault add shape ${from} ${second}: say how, such as 200ms`);
      return { ...{ kind: 'shape', from }, ...(isAmount ? {} : { to: second }), ...shapeOf(amounts) };
    },
  },
  kill: power('kill', 'pull the plug'),
  stop: power('stop', 'shut down in order'),
  pause: power('pause', 'freeze everything on it'),
  restart: power('restart', 'pull the plug and start again'),
  process: {
    ...{ usage: `NODE ${programs.join('|')}`, help: 'end one program and hold it down', least: 2, most: 2 },
    decode: ([node = '', name = '']) => {
      const process = programs.find((one) => one === name);
      if (!process) throw new UsageError(`fault add process ${node}: expected ${programs.join(', ')}, not '${name}'`);
      return { kind: 'process', node, process };
    },
  },
  dns: {
    ...{ usage: 'NODE', help: 'drop the DNS queries of its pods', least: 1, most: 1 },
    decode: ([node = '']) => ({ kind: 'dns', node }),
  },
  disk: {
    ...{
      usage: 'NODE [FREE%]',
      help: 'fill its disk until so much is free, of at most 10 GiB (default: 5%)',
      least: 1,
      most: 2,
    },
    decode: ([node = '', free = '5%']) => ({ kind: 'disk', node, freePercent: readPercent(free) }),
  },
  memory: {
    ...{ usage: 'NODE [AMOUNT]', help: 'take so much of its memory (default: 512Mi)', least: 1, most: 2 },
    decode: ([node = '', amount = '512Mi']) => ({ kind: 'memory', node, bytes: readBytes(amount) }),
  },
  cpu: {
    ...{ usage: 'NODE [CORES]', help: 'keep so many of its cores busy (default: 1)', least: 1, most: 2 },
    decode: ([node = '', cores = '1']) => ({ kind: 'cpu', node, cores: readCores(cores) }),
  },
  pids: {
    ...{ usage: 'NODE [COUNT]', help: 'start so many processes (default: 1000)', least: 1, most: 2 },
    decode: ([node = '', count = '1000']) => ({ kind: 'pids', node, count: readCount(count, 'a number of processes') }),
  },
};

/** Throws UsageError that says how the kind is written. */
export function decodeFault(words: readonly string[], oneWay: boolean): FaultSpec {
  const [name = '', ...rest] = words;
  const kind = Object.hasOwn(faultKinds, name) ? faultKinds[name] : undefined;
  if (!kind) throw new UsageError(`unknown fault '${name}': expected ${Object.keys(faultKinds).join(', ')}`);
  if (rest.length < kind.least || rest.length > kind.most)
    throw new UsageError(`fault add ${name}: expected 'drydock fault add ${name} ${kind.usage}'`);
  if (oneWay && name !== 'cut') throw new UsageError(`--one-way is for cut, not for ${name}`);
  return kind.decode(rest, oneWay);
}

/** `90s`, `5m`, `1h`, or seconds without a unit. Throws UsageError. */
export function readSeconds(text: string): number {
  const seconds = Math.round(readMs(/^\d+$/.test(text) ? `${text}s` : text, 'a time such as 90s, 5m or 1h') / 1000);
  if (seconds < 1 || seconds > 24 * 3600) throw new UsageError(`--for ${text}: expected from 1s to 24h`);
  return seconds;
}

/** Every fault there is, oldest first. */
export async function listFaults(host: ControlClient, lab: string): Promise<readonly Fault[]> {
  const faults: Fault[] = [];
  for await (const event of host.watch('faults', { lab })) {
    if (event.type === 'ERROR') throw StatusError.fromWire(event.status.code, event.status);
    if (event.type === 'BOOKMARK') break;
    faults.push(event.object);
  }
  return faults;
}

export function renderFaults(faults: readonly Fault[], nowMs: number): string {
  if (faults.length === 0) return 'Nothing is broken on purpose.';
  return renderTable(
    ['ID', 'STATE', 'HEALS IN', 'FAULT'],
    faults.map(({ id, state, expiresAtMs, text }) => {
      const left = state === 'active' ? `${Math.max(0, Math.round((expiresAtMs - nowMs) / 1000))}s` : '-';
      return [id, state, left, text];
    }),
  );
}

/** What `drydock fault add --help` says of kinds. */
export function describeFaultKinds(): readonly string[] {
  const rows = Object.entries(faultKinds).map(([name, { usage, help }]) => ({ left: `${name} ${usage}`, help }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows.map(({ left, help }) => `${left.padEnd(width)}  ${help}`);
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

function readMs(text: string, expected: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? [];
  const factor = unitMs[unit];
  if (factor === undefined) throw new UsageError(`'${text}': expected ${expected}`);
  return Number(number) * factor;
}

function readPercent(text: string): number {
  const [, number] = /^(\d+(?:\.\d+)?)%?$/.exec(text) ?? [];
  const percent = Number(number);
  if (!(percent >= 0 && percent <= 100)) throw new UsageError(`'${text}': expected a share such as 10%`);
  return percent;
}

const unitKbit: Readonly<Record<string, number>> = { kbit: 1, mbit: 1000, gbit: 1_000_000 };

function readRate(text: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)(kbit|mbit|gbit)$/i.exec(text) ?? [];
  const factor = unitKbit[unit.toLowerCase()];
  if (factor === undefined) throw new UsageError(`'${text}': expected a rate such as 500kbit, 1mbit or 1gbit`);
  return Number(number) * factor;
}

function readBytes(text: string): number {
  const nano = parseQuantityNano(text);
  if (nano === undefined || nano <= 0n) throw new UsageError(`'${text}': expected an amount such as 512Mi`);
  return Number(nano / 1_000_000_000n);
}

/** The node rounds up: a part of a core keeps a whole one busy. */
function readCores(text: string): number {
  const cores = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (cores <= 0) throw new UsageError(`'${text}': expected a number of cores`);
  return cores;
}

function readCount(text: string, expected: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count < 1) throw new UsageError(`'${text}': expected ${expected}`);
  return count;
}
