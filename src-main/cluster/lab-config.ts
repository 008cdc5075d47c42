import { join } from 'node:path';
import { ClusterError } from './errors.ts';
import { readJsonFile, writeFileAtomic } from './files.ts';

export type DriverName = 'embedded' | 'docker' | 'ssh';

export interface WorkerConfig {
  readonly name: string;
  readonly driver: DriverName;
  /** Address on the lab's network; empty for a machine that has its own. */
  readonly ip: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Most pods the node takes; absent for the kubelet's own default of 110. */
  readonly maxPods?: number;
}

/** What a lab is, apart from what its store holds: `lab.json` in the lab's folder. */
export interface LabConfig {
  readonly formatVersion: 1;
  readonly name: string;
  readonly driver: DriverName;
  readonly masters: number;
  readonly workers: readonly WorkerConfig[];
  /** Port of the API server on 127.0.0.1, kept from start to start; 0 until the first one. */
  readonly apiPort: number;
  readonly etcdPort: number;
  /** Other kubeconfig files that have the lab's entry. */
  readonly kubeconfigs: readonly string[];
  readonly createdAtMs: number;
}

/** Embedded workers claim what a small cloud machine has; nothing is really reserved. */
const workerCpus = 4;
const workerMemoryBytes = 8 * 1024 ** 3;
const maxWorkers = 200;

export interface NewLab {
  readonly name: string;
  readonly driver: DriverName;
  readonly masters: number;
  readonly workers: number;
  readonly apiPort?: number;
  readonly nowMs: number;
}

/** Checks what a person asked for. Throws ClusterError INVALID or UNSUPPORTED with a line that says what to do. */
export function newLabConfig(wanted: NewLab): LabConfig {
  const { name, driver, masters, workers, apiPort = 0, nowMs } = wanted;
  checkName('lab', name);
  if (driver !== 'embedded') {
    throw new ClusterError(
      'UNSUPPORTED',
      `the ${driver} driver is not part of this version; use --driver embedded, which needs nothing installed`,
    );
  }
  if (masters !== 1)
    throw new ClusterError('UNSUPPORTED', `${masters} masters: this version runs exactly one; use --masters 1`);
  if (!Number.isInteger(workers) || workers < 0 || workers > maxWorkers) {
    throw new ClusterError('INVALID', `${workers} workers: choose a whole number from 0 to ${maxWorkers}`);
  }
  checkPort('API port', apiPort);
  const base: LabConfig = {
    formatVersion: 1,
    name,
    driver,
    masters,
    workers: [],
    apiPort,
    etcdPort: 0,
    kubeconfigs: [],
    createdAtMs: nowMs,
  };
  let config = base;
  for (let i = 0; i < workers; i++) config = withWorker(config, undefined).config;
  return config;
}

/** The same lab with one worker more. A missing name becomes the first free `worker-<n>`. */
export function withWorker(config: LabConfig, name: string | undefined): { config: LabConfig; worker: WorkerConfig } {
  const chosen =
    name ??
    firstFree(
      (n) => `worker-${n}`,
      config.workers.map((one) => one.name),
    );
  checkName('node', chosen);
  if (config.workers.some((one) => one.name === chosen))
    throw new ClusterError('NODE_EXISTS', `node ${chosen} exists in lab ${config.name}; choose another name`);
  if (config.workers.length >= maxWorkers)
    throw new ClusterError('INVALID', `lab ${config.name} has ${maxWorkers} workers, which is the most`);
  const ip = firstFree(
    (n) => `172.30.${1 + Math.floor((n + 9) / 250)}.${1 + ((n + 9) % 250)}`,
    config.workers.map((one) => one.ip),
  );
  const worker: WorkerConfig = {
    name: chosen,
    driver: config.driver,
    ip,
    cpus: workerCpus,
    memoryBytes: workerMemoryBytes,
  };
  return { config: { ...config, workers: [...config.workers, worker] }, worker };
}

function firstFree(candidate: (n: number) => string, taken: readonly string[]): string {
  for (let n = 1; ; n++) if (!taken.includes(candidate(n))) return candidate(n);
}

function checkName(what: string, name: string): void {
  if (/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/.test(name)) return;
  throw new ClusterError(
    'INVALID',
    `'${name}' cannot name a ${what}: use up to 40 lower-case letters, digits and '-', beginning and ending with a letter or digit`,
  );
}

export function checkPort(what: string, port: number): void {
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return;
  throw new ClusterError('INVALID', `${what} ${port}: choose a whole number from 1 to 65535, or 0 for any free port`);
}

const fileName = 'lab.json';

export function saveLabConfig(folder: string, config: LabConfig): void {
  writeFileAtomic(join(folder, fileName), `${JSON.stringify(config, null, 2)}\n`);
}

/** Undefined when the folder has none. Throws ClusterError HOME_DAMAGED, changing nothing, when it is not ours. */
export function loadLabConfig(folder: string): LabConfig | undefined {
  return readJsonFile(join(folder, fileName), decodeLabConfig);
}

function decodeLabConfig(value: unknown): LabConfig {
  const record = asRecord(value, 'it');
  if (record['formatVersion'] !== 1)
    throw new Error(`its formatVersion is ${JSON.stringify(record['formatVersion'])}, this version reads 1`);
  const workers = asArray(record['workers'], 'workers').map((one): WorkerConfig => {
    const worker = asRecord(one, 'a worker');
    const maxPods = worker['maxPods'];
    return {
      ...(maxPods === undefined ? {} : { maxPods: asNumber(maxPods, 'maxPods') }),
      name: asText(worker['name'], 'name'),
      driver: asDriver(worker['driver'] ?? 'embedded'),
      ip: asText(worker['ip'], 'ip'),
      cpus: asNumber(worker['cpus'], 'cpus'),
      memoryBytes: asNumber(worker['memoryBytes'], 'memoryBytes'),
    };
  });
  return {
    formatVersion: 1,
    name: asText(record['name'], 'name'),
    driver: asDriver(record['driver']),
    masters: asNumber(record['masters'], 'masters'),
    workers,
    apiPort: asNumber(record['apiPort'], 'apiPort'),
    etcdPort: asNumber(record['etcdPort'], 'etcdPort'),
    kubeconfigs: asArray(record['kubeconfigs'], 'kubeconfigs').map((one) => asText(one, 'a kubeconfig')),
    createdAtMs: asNumber(record['createdAtMs'], 'createdAtMs'),
  };
}

function asDriver(value: unknown): DriverName {
  if (value === 'embedded' || value === 'docker' || value === 'ssh') return value;
  throw new Error(`driver is '${String(value)}'`);
}

function asRecord(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is no object`);
  return value as Record<string, unknown>;
}

function asArray(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is no list`);
  return value;
}

function asText(value: unknown, what: string): string {
  if (typeof value !== 'string' || value === '') throw new Error(`${what} is no text`);
  return value;
}

function asNumber(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`${what} is no number`);
  return value;
}
