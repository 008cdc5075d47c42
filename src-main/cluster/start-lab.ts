import { join } from 'node:path';
import { RealClock, type Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { freshSeed, SeededRandom } from '#base/random';
import { EtcdError } from '#etcd/client';
import { Lab, powerOn } from './lab.ts';
import type { MachineProgress } from '#machines/machine';
import { ClusterError } from './errors.ts';
import { writeFileAtomic } from './files.ts';
import { renderKubeconfig } from './kubeconfig.ts';
import { checkPort, type LabConfig } from './lab-config.ts';
import { kubeconfigFacts, labKubeconfigPath } from './lab-kubeconfig.ts';
import type { LabStep } from './lab-view.ts';
import { loadOrCreatePki } from './pki.ts';
import { freePort } from './ports.ts';
import { Steps } from './steps.ts';
import { chooseStorePorts } from './stores/create-store.ts';
import type { RealNodeDrivers } from './workers/worker-factory.ts';
import type { Worker } from './workers/worker.ts';

export interface StartLabOptions {
  readonly config: LabConfig;
  readonly folder: string;
  /** Absent: the host offers simulated nodes only. */
  readonly drivers?: RealNodeDrivers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of everything that is chosen by chance; a fresh one when absent. */
  readonly seed?: number;
  readonly onSteps: (steps: readonly LabStep[]) => void;
  /** Ports were chosen, or workers added or removed: to be kept. */
  readonly onConfig: (config: LabConfig) => void;
}

const steps = {
  keys: 'Preparing certificates',
  api: 'Starting etcd and the API server',
  controllers: 'Starting the scheduler and the controllers',
  addons: 'Installing cluster DNS',
} as const;

const defaultApiPort = 6443;
const defaultEtcdPort = 2379;
const firstMasterPort = 16_443;

/**
 * Brings a lab up, as `kubeadm init` and `join` do: keys, store, API server, controllers, addons, workers. Resolves when every node is
 * Ready and cluster DNS answers on it. On a failure, or when `context` ends, everything that was started is taken down again. Throws ClusterError.
 */
export async function startLab(context: Context, options: StartLabOptions): Promise<Lab> {
  const { folder, clock, logger, onSteps, onConfig, seed = freshSeed() } = options;
  const config = await choosePorts(options.config);
  if (config !== options.config) onConfig(config);
  const names = config.workers.map((worker) => worker.name);
  const remote = config.workers.filter((worker) => worker.driver !== 'embedded').map((worker) => worker.name);
  const coming = [
    ...[steps.keys, ...(remote.length > 0 ? [driversText] : [])],
    ...[steps.api, steps.controllers, steps.addons],
    ...remote.map((node) => ({ text: startText(node), node })),
    ...(names.length === 0 ? [] : [joinText(names)]),
  ];
  const progress = new Steps(coming, new RealClock(), onSteps);
  // Certificates are checked by programs that live in real time, whatever the lab's clock says.
  const pki = await progress.run(steps.keys, () => loadOrCreatePki(join(folder, 'pki'), new RealClock().now()));
  const { drivers = simulatedOnly } = options;
  const lab = new Lab({ config, folder, pki, drivers, clock, random: new SeededRandom(seed), logger, onConfig });
  try {
    const prepare = (report: (progress: MachineProgress) => void) => lab.prepareWorkers(context, report);
    await (remote.length > 0 ? progress.run(driversText, prepare) : prepare(() => {}));
    await progress.run(steps.api, () => lab.startApi(context));
    writeFileAtomic(
      labKubeconfigPath(folder),
      renderKubeconfig(kubeconfigFacts({ name: config.name, folder, server: lab.server })),
    );
    await progress.run(steps.controllers, () => lab.masters.startControllers(context));
    await lab.connectWorkers();
    lab.openHostAccess();
    await progress.run(steps.addons, () => lab.installAddons(context));
    await Promise.all(lab.workers.map((worker) => startWorker(context, worker, progress)));
    if (names.length > 0) await progress.run(joinText(names), (report) => lab.waitReady(context, names, report));
    return lab;
  } catch (error) {
    await lab.stop();
    throw explain(error, folder);
  }
}

const simulatedOnly: RealNodeDrivers = {
  docker: async () => {
    throw new ClusterError('UNSUPPORTED', 'this host was started without the drivers of real nodes');
  },
  agentBundle: '',
  imageCache: '',
  // A simulated machine ends with this process.
  guard: { watch: () => ({ dispose: () => undefined }) },
};

async function startWorker(context: Context, worker: Worker, progress: Steps): Promise<void> {
  const { name, driver } = worker.config;
  if (driver === 'embedded') return powerOn(context, worker, () => {});
  await progress.run(startText(name), (report) => powerOn(context, worker, report));
}

const driversText = 'Preparing images and networks of the nodes';

function startText(name: string): string {
  return `Starting ${name}`;
}

function joinText(names: readonly string[]): string {
  return names.length === 1 ? `Joining ${names[0] ?? ''}` : `Joining ${names.length} workers`;
}

/** Ports of a lab are chosen once and kept: kubeconfigs of a stopped lab stay true. */
async function choosePorts(config: LabConfig): Promise<LabConfig> {
  checkPort('API port', config.apiPort);
  const masterPorts = await chooseMasterPorts(config);
  const store = config.store && (await chooseStorePorts(config.store));
  const kept = masterPorts === config.masterPorts && store === config.store;
  if (config.apiPort !== 0 && config.etcdPort !== 0 && kept) return config;
  const apiPort = config.apiPort || (await freePort(defaultApiPort));
  const etcdPort = config.etcdPort || (await freePort(defaultEtcdPort));
  const { masterPorts: _, ...rest } = config;
  return { ...rest, apiPort, etcdPort, ...(masterPorts ? { masterPorts } : {}), ...(store ? { store } : {}) };
}

/** Each of several masters has a port of its own; the same one each time, unless somebody else took it. */
async function chooseMasterPorts({ masters, masterPorts: known = [] }: LabConfig): Promise<LabConfig['masterPorts']> {
  if (masters === 1) return undefined;
  const chosen: number[] = [];
  for (let i = 0; i < masters; i++) {
    let port = await freePort(known[i] ?? firstMasterPort + i);
    while (chosen.includes(port)) port = await freePort(0);
    chosen.push(port);
  }
  return chosen.length === known.length && chosen.every((port, i) => port === known[i]) ? known : chosen;
}

function explain(error: unknown, folder: string): unknown {
  if (!(error instanceof EtcdError)) return error;
  const code = error.code === 'CORRUPT' ? 'HOME_DAMAGED' : 'INVALID';
  return new ClusterError(code, `the store in ${folder} cannot be opened: ${messageOf(error)}`, { cause: error });
}
