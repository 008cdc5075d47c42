import { isAbsolute, join, resolve } from 'node:path';
import { RealClock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import type { Logger } from '#base/logger';
import { ClusterError } from '#cluster/errors';
import { mergeKubeconfig } from '#cluster/kubeconfig';
import { kubeconfigFacts } from '#cluster/lab-kubeconfig';
import { resolveHome } from '#cluster/home';
import { maxMasters, type DriverName } from '#cluster/lab-config';
import type { EtcdAccess, RunningLab } from '#cluster/lab-view';
import type { StoreWish } from '#cluster/stores/store-config';
import type { Installation } from '#host/drivers';
import { openHost, type OpenHost } from '#host/open-host';
import { UiServer } from '#host/websocket-server';
import { UsageError, type Arguments } from './options.ts';
import { showSteps, type Progress } from './progress.ts';

export interface UpRequest {
  readonly name: string;
  /** Undefined: the lab's own, or embedded for a new one. */
  readonly driver: DriverName | undefined;
  readonly masters: number | undefined;
  readonly workers: number | undefined;
  /** Of each worker. */
  readonly cpus: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly home: string;
  readonly kubeconfig: string | undefined;
  readonly apiPort: number | undefined;
  /** Undefined: the lab's own, or embedded for a new one. */
  readonly store: StoreWish | 'embedded' | undefined;
  /** `none` for no UI; 0 for any free port. */
  readonly uiPort: number | 'none';
}

/** What `up` prints in the end. */
export interface UpFacts {
  readonly name: string;
  readonly server: string;
  readonly kubeconfig: string;
  readonly uiUrl: string | null;
  readonly pid: number;
  readonly etcd: EtcdAccess;
  readonly masters: number;
  /** What the masters keep their objects in. */
  readonly store: RunningLab['store']['kind'];
}

/** Throws UsageError. */
export function decodeUp(args: Arguments): UpRequest {
  const driver = args.text('driver');
  if (driver !== undefined && driver !== 'embedded' && driver !== 'docker' && driver !== 'ssh')
    throw new UsageError(`--driver ${driver}: expected embedded, docker or ssh`);
  const kubeconfig = args.text('kubeconfig');
  return {
    name: args.text('name') ?? 'lab',
    driver,
    masters: args.integer('masters', 1, maxMasters),
    workers: args.integer('workers', 0, 200),
    cpus: args.quantity('cpus'),
    memoryBytes: args.quantity('memory'),
    home: resolveHome(args.text('home')),
    kubeconfig: kubeconfig === undefined || isAbsolute(kubeconfig) ? kubeconfig : resolve(kubeconfig),
    apiPort: args.integer('api-port', 1, 65535),
    store: decodeStore(args),
    uiPort: args.text('ui-port') === 'none' ? 'none' : (args.integer('ui-port', 0, 65535) ?? 0),
  };
}

/** Throws UsageError. */
function decodeStore(args: Arguments): UpRequest['store'] {
  const etcd = args.text('etcd');
  const endpoints = args.text('etcd-endpoints');
  const files = { ca: args.text('etcd-ca'), cert: args.text('etcd-cert'), key: args.text('etcd-key') };
  if (endpoints !== undefined) {
    if (etcd !== undefined) throw new UsageError('--etcd and --etcd-endpoints exclude each other');
    const paths = Object.entries(files).flatMap(([name, path]) => (path === undefined ? [] : [[name, resolve(path)]]));
    return { kind: 'external', endpoints: endpoints.split(','), ...Object.fromEntries(paths) };
  }
  if (Object.values(files).some((path) => path !== undefined))
    throw new UsageError('--etcd-ca, --etcd-cert and --etcd-key go with --etcd-endpoints');
  if (etcd === undefined || etcd === 'embedded') return etcd;
  const members = /^local(?::([135]))?$/.exec(etcd);
  if (!members) throw new UsageError(`--etcd ${etcd}: expected embedded, local:1, local:3 or local:5`);
  return { kind: 'local', members: Number(members[1] ?? 3) };
}

export interface RunningUp {
  readonly facts: UpFacts;
  readonly host: OpenHost;
  /** Stops the lab, the UI and the host. */
  stop(): Promise<void>;
}

/**
 * Opens the home and brings the lab up in this process. Throws ClusterError, or CancelledError when `context` ended first,
 * after taking everything down again.
 */
export async function up(
  context: Context,
  request: UpRequest,
  installation: Installation,
  logger: Logger,
  progress: Progress,
): Promise<RunningUp> {
  const host = await openHost(request.home, 'headless', logger, installation);
  let ui: UiServer | undefined;
  try {
    const { labs } = host;
    const watching = labs.onChange(() => report(host, request.name, progress));
    if (request.uiPort !== 'none') ui = await openUi(host, installation, request.uiPort, logger);
    begin(host, request);
    const running = await settled(context, host, request.name);
    watching.dispose();
    progress.finish();
    if (request.kubeconfig)
      mergeKubeconfig(
        request.kubeconfig,
        kubeconfigFacts({ name: request.name, folder: host.home.labFolder(request.name), server: running.server }),
      );
    const facts = upFacts(running, ui?.url ?? null);
    return { facts, host, stop: () => stopAll(host, ui) };
  } catch (error) {
    progress.finish();
    await stopAll(host, ui);
    throw error;
  }
}

/** The lab once it runs. Gives its start up when `context` ends first. */
async function settled(context: Context, host: OpenHost, name: string): Promise<RunningLab> {
  const giveUp = context.onEnd(() => void host.labs.stop(name));
  const running = await host.labs.settled(name);
  giveUp.dispose();
  if (running && !context.ended) return running;
  throw new CancelledError('cancelled', `lab ${name} was stopped before it was ready`);
}

function begin(host: OpenHost, request: UpRequest): void {
  const { labs } = host;
  const { name, masters, workers, cpus, memoryBytes, apiPort, kubeconfig, store } = request;
  if (!labs.has(name)) {
    const { driver = 'embedded' } = request;
    labs.create({
      name,
      driver,
      masters: masters ?? 1,
      workers: workers ?? (driver === 'ssh' ? 0 : 3),
      ...(cpus === undefined ? {} : { cpus }),
      ...(memoryBytes === undefined ? {} : { memoryBytes }),
      nowMs: new RealClock().now(),
      ...(apiPort ? { apiPort } : {}),
      ...(store === undefined || store === 'embedded' ? {} : { store }),
    });
  } else {
    refuseOtherDriver(host, request);
    if (store !== undefined) labs.configureStore(name, store === 'embedded' ? undefined : store);
    if (apiPort) labs.configure(name, { apiPort });
    // Masters keep nothing of their own: a stopped lab may come back with more of them, or fewer.
    if (masters !== undefined) labs.configure(name, { masters });
    labs.start(name);
  }
  if (kubeconfig) labs.remember(name, kubeconfig);
}

/** A lab keeps the driver it was made with: to start it as something else would not be what was asked for. */
function refuseOtherDriver(host: OpenHost, { name, driver }: UpRequest): void {
  const made = host.labs.list().find((one) => one.name === name)?.driver;
  if (driver === undefined || driver === made) return;
  throw new ClusterError(
    'LAB_EXISTS',
    `lab ${name} was made with --driver ${made ?? ''}; choose another --name, or 'drydock down --delete --name ${name}' first`,
  );
}

async function openUi(host: OpenHost, installation: Installation, port: number, logger: Logger): Promise<UiServer> {
  const rendererFolder = join(installation.outFolder, 'renderer');
  const ui = new UiServer({ handlers: host.handlers, clock: new RealClock(), logger, rendererFolder, port });
  await ui.start();
  host.announceUi(() => ui.url);
  return ui;
}

function report(host: OpenHost, name: string, progress: Progress): void {
  const lab = host.labs.list().find((one) => one.name === name);
  if (!lab || lab.steps.length === 0) return;
  showSteps(progress, lab.steps);
}

function upFacts(running: RunningLab, uiUrl: string | null): UpFacts {
  return {
    name: running.config.name,
    server: running.server,
    kubeconfig: running.kubeconfigPath,
    uiUrl,
    pid: process.pid,
    etcd: running.etcdAccess,
    masters: running.config.masters,
    store: running.store.kind,
  };
}

async function stopAll(host: OpenHost, ui: UiServer | undefined): Promise<void> {
  await ui?.stop();
  await host.stop();
}
