import { join } from 'node:path';
import { ClusterError } from './errors.ts';
import { readJsonFile, writeFileAtomic } from './files.ts';
import { asArray, asNumber, asRecord, asText } from './json-fields.ts';
import type { NewWorker } from './lab-view.ts';
import { decodeStoreConfig, newStoreConfig, type StoreConfig, type StoreWish } from './stores/store-config.ts';
import { decodeSsh, sshConfigOf, type SshMachineConfig } from './ssh-config.ts';

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
  /** Place of a Docker worker in its lab's subnet, 2 to 199: kept, so that its address stays. */
  readonly hostNumber?: number;
  /** Where the machine of an SSH worker is. */
  readonly ssh?: SshMachineConfig;
}

/** What a lab is, apart from what its store holds: `lab.json` in the lab's folder. */
export interface LabConfig {
  readonly formatVersion: 1;
  readonly name: string;
  readonly driver: DriverName;
  readonly masters: number;
  readonly workers: readonly WorkerConfig[];
  /** Port of the API servers' one address on 127.0.0.1, kept from start to start; 0 until the first one. */
  readonly apiPort: number;
  readonly etcdPort: number;
  /** Where each API server answers by itself on 127.0.0.1, when there are several; chosen at the first start. */
  readonly masterPorts?: readonly number[];
  /** Absent: the embedded store. */
  readonly store?: StoreConfig;
  /** The lab's own Docker network, once it has one: kept, so that nodes keep their addresses. */
  readonly docker?: { readonly subnet: string };
  /** Other kubeconfig files that have the lab's entry. */
  readonly kubeconfigs: readonly string[];
  readonly createdAtMs: number;
}

/** Embedded workers claim what a small cloud machine has; nothing is really reserved. Docker workers are really limited. */
const defaultSizes: Readonly<Record<DriverName, { readonly cpus: number; readonly memoryBytes: number }>> = {
  embedded: { cpus: 4, memoryBytes: 8 * 1024 ** 3 },
  docker: { cpus: 2, memoryBytes: 2 * 1024 ** 3 },
  ssh: { cpus: 0, memoryBytes: 0 },
};
const leastMemoryBytes = 512 * 1024 ** 2;
const maxWorkers = 200;

export interface NewLab {
  readonly name: string;
  readonly driver: DriverName;
  readonly masters: number;
  readonly workers: number;
  /** Of each worker; absent for the driver's default. */
  readonly cpus?: number;
  readonly memoryBytes?: number;
  readonly apiPort?: number;
  /** Absent: the embedded store. */
  readonly store?: StoreWish;
  readonly nowMs: number;
}

/** Checks what a person asked for. Throws ClusterError INVALID or UNSUPPORTED with a line that says what to do. */
export function newLabConfig(wanted: NewLab): LabConfig {
  const { name, driver, masters, workers, apiPort = 0, nowMs } = wanted;
  checkName('lab', name);
  checkMasters(masters);
  if (!Number.isInteger(workers) || workers < 0 || workers > maxWorkers) {
    throw new ClusterError('INVALID', `${workers} workers: choose a whole number from 0 to ${maxWorkers}`);
  }
  if (driver === 'ssh' && workers > 0) {
    throw new ClusterError(
      'INVALID',
      `SSH machines are added one by one: use --workers 0, then 'drydock node add NAME --driver ssh --host user@address'`,
    );
  }
  checkPort('API port', apiPort);
  const { cpus, memoryBytes } = wanted;
  const size = { ...(cpus === undefined ? {} : { cpus }), ...(memoryBytes === undefined ? {} : { memoryBytes }) };
  const base: LabConfig = {
    formatVersion: 1,
    name,
    driver,
    masters,
    workers: [],
    apiPort,
    etcdPort: 0,
    ...(wanted.store ? { store: newStoreConfig(wanted.store) } : {}),
    kubeconfigs: [],
    createdAtMs: nowMs,
  };
  let config = base;
  for (let i = 0; i < workers; i++) config = withWorker(config, size).config;
  return config;
}

/** The same lab with one worker more. A missing name becomes the first free `worker-<n>`. */
export function withWorker(config: LabConfig, wanted: NewWorker): { config: LabConfig; worker: WorkerConfig } {
  const { workers } = config;
  const name =
    wanted.name ??
    firstFree(
      (n) => `worker-${n}`,
      workers.map((one) => one.name),
    );
  checkName('node', name);
  if (/^master-\d+$/.test(name))
    throw new ClusterError('INVALID', `${name} is the name of a master; choose another name for a node`);
  if (workers.some((one) => one.name === name))
    throw new ClusterError('NODE_EXISTS', `node ${name} exists in lab ${config.name}; choose another name`);
  if (workers.length >= maxWorkers)
    throw new ClusterError('INVALID', `lab ${config.name} has ${maxWorkers} workers, which is the most`);
  const driver = wanted.driver ?? config.driver;
  if (driver === 'ssh' && !wanted.ssh)
    throw new ClusterError('INVALID', `node ${name} is a machine reached by SSH: say which with --host user@address`);
  const { cpus = defaultSizes[driver].cpus, memoryBytes = defaultSizes[driver].memoryBytes } = wanted;
  if (driver !== 'ssh') checkSize(cpus, memoryBytes);
  const taken = workers.map((one) => one.ip);
  const ip =
    driver === 'embedded'
      ? firstFree((n) => `172.30.${1 + Math.floor((n + 9) / 250)}.${1 + ((n + 9) % 250)}`, taken)
      : '';
  const ssh = driver === 'ssh' && wanted.ssh ? { ssh: sshConfigOf(wanted.ssh) } : {};
  const place = driver === 'docker' ? { hostNumber: freeHostNumber(config) } : {};
  const worker: WorkerConfig = { name, driver, ip, cpus, memoryBytes, ...place, ...ssh };
  return { config: { ...config, workers: [...workers, worker] }, worker };
}

/** What lies above is the lab's pool of load-balancer addresses. */
const lastHostNumber = 199;

function freeHostNumber({ workers, name }: LabConfig): number {
  const taken = new Set(workers.map((one) => one.hostNumber));
  for (let n = 2; n <= lastHostNumber; n++) if (!taken.has(n)) return n;
  throw new ClusterError('INVALID', `lab ${name} has as many Docker workers as its network has places for`);
}

function checkSize(cpus: number, memoryBytes: number): void {
  if (!(cpus > 0 && cpus <= 1024))
    throw new ClusterError('INVALID', `${cpus} CPUs a node: choose a number above 0, such as 2 or 0.5`);
  if (!(memoryBytes >= leastMemoryBytes))
    throw new ClusterError('INVALID', `${memoryBytes} bytes of memory a node: choose 512Mi or more`);
}

function firstFree(candidate: (n: number) => string, taken: readonly string[]): string {
  for (let n = 1; ; n++) if (!taken.includes(candidate(n))) return candidate(n);
}

/** Throws ClusterError INVALID. */
export function checkLabName(name: string): void {
  checkName('lab', name);
}

function checkName(what: string, name: string): void {
  if (/^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$/.test(name)) return;
  throw new ClusterError(
    'INVALID',
    `'${name}' cannot name a ${what}: use up to 40 lower-case letters, digits and '-', beginning and ending with a letter or digit`,
  );
}

export const maxMasters = 5;

export function checkMasters(masters: number): void {
  if (Number.isInteger(masters) && masters >= 1 && masters <= maxMasters) return;
  throw new ClusterError('INVALID', `${masters} masters: choose a whole number from 1 to ${maxMasters}`);
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
      ...(worker['hostNumber'] === undefined ? {} : { hostNumber: asNumber(worker['hostNumber'], 'hostNumber') }),
      ...(worker['ssh'] === undefined ? {} : { ssh: decodeSsh(worker['ssh']) }),
      ...(maxPods === undefined ? {} : { maxPods: asNumber(maxPods, 'maxPods') }),
      name: asText(worker['name'], 'name'),
      driver: asDriver(worker['driver'] ?? 'embedded'),
      ip: typeof worker['ip'] === 'string' ? worker['ip'] : '',
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
    ...(record['store'] === undefined ? {} : { store: decodeStoreConfig(record['store']) }),
    ...(record['masterPorts'] === undefined
      ? {}
      : { masterPorts: asArray(record['masterPorts'], 'masterPorts').map((one) => asNumber(one, 'a port')) }),
    ...(record['docker'] === undefined
      ? {}
      : { docker: { subnet: asText(asRecord(record['docker'], 'docker')['subnet'], 'subnet') } }),
    kubeconfigs: asArray(record['kubeconfigs'], 'kubeconfigs').map((one) => asText(one, 'a kubeconfig')),
    createdAtMs: asNumber(record['createdAtMs'], 'createdAtMs'),
  };
}

function asDriver(value: unknown): DriverName {
  if (value === 'embedded' || value === 'docker' || value === 'ssh') return value;
  throw new Error(`driver is '${String(value)}'`);
}
