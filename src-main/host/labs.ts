import { rmSync } from 'node:fs';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { ClusterError } from '#cluster/errors';
import type { Home } from '#cluster/home';
import { removeFromKubeconfig } from '#cluster/kubeconfig';
import { loadLabConfig, newLabConfig, saveLabConfig, type LabConfig, type NewLab } from '#cluster/lab-config';
import type { EtcdAccess, LabPhase, LabStep, RunningLab } from '#cluster/lab-view';
import { newStoreConfig, type StoreConfig, type StoreWish } from '#cluster/stores/store-config';
import { restoreSnapshot, type RestoreOptions } from '#cluster/snapshots/restore';
import { saveSnapshot, type SaveOptions } from '#cluster/snapshots/save';
import type { SnapshotManifest } from '#cluster/snapshots/manifest';
import type { Lab } from '#contract/labs';
import type { StoreAccess } from '#contract/store';

/** Starts what a configuration describes; `cluster/` implements it. Reports its steps as they change. */
export type LabStarter = (
  context: Context,
  options: {
    readonly config: LabConfig;
    readonly folder: string;
    readonly onSteps: (steps: readonly LabStep[]) => void;
    readonly onConfig: (config: LabConfig) => void;
  },
) => Promise<RunningLab>;

interface Entry {
  config: LabConfig;
  phase: LabPhase;
  steps: readonly LabStep[];
  error: string | undefined;
  running: RunningLab | undefined;
  runningSinceMs: number | undefined;
  /** The start or stop that is going on: the next waits for it. */
  busy: Promise<void>;
  abandon: (() => void) | undefined;
}

export interface LabsOptions {
  readonly home: Home;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly start: LabStarter;
  /** Takes away what a stopped lab has outside its folder: containers, networks, programs on machines. */
  readonly remove: (config: LabConfig, options: { readonly force: boolean }) => Promise<void>;
}

/** The labs of one home: which there are, in which phase, and one change at a time for each of them. */
export class Labs {
  readonly #options: LabsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<() => void>();

  /** Throws ClusterError HOME_DAMAGED when a lab's file cannot be read; nothing is changed. */
  constructor(options: LabsOptions) {
    this.#options = options;
    for (const name of options.home.labNames()) {
      const config = loadLabConfig(options.home.labFolder(name));
      if (config) this.#entries.set(name, newEntry(config, 'stopped'));
    }
  }

  list(): Lab[] {
    return [...this.#entries.values()].map(describe);
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return disposable(() => this.#listeners.delete(listener));
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  get anyRunning(): boolean {
    return [...this.#entries.values()].some((entry) => entry.phase !== 'stopped' && entry.phase !== 'failed');
  }

  /** Throws ClusterError LAB_MISSING or LAB_STOPPED. */
  running(name: string): RunningLab {
    const { running } = this.#require(name);
    if (!running) throw new ClusterError('LAB_STOPPED', `lab ${name} is not running; start it first`);
    return running;
  }

  /** Makes a lab and begins to start it; `settled` tells how that went. Throws ClusterError when the wish is bad. */
  create(wanted: NewLab): Lab {
    if (this.#entries.has(wanted.name))
      throw new ClusterError('LAB_EXISTS', `lab ${wanted.name} exists; choose another name or start that one`);
    const config = newLabConfig(wanted);
    saveLabConfig(this.#options.home.labFolder(config.name), config);
    const entry = newEntry(config, 'creating');
    this.#entries.set(config.name, entry);
    this.#begin(entry);
    return describe(entry);
  }

  /** Changes what a stopped lab is started with. */
  configure(name: string, change: Partial<Pick<LabConfig, 'apiPort' | 'kubeconfigs' | 'masters'>>): void {
    const entry = this.#require(name);
    entry.config = { ...entry.config, ...change };
    saveLabConfig(this.#options.home.labFolder(name), entry.config);
  }

  /** What a stopped lab is to keep its objects in: as it was, or an external etcd at other addresses. Throws ClusterError. */
  configureStore(name: string, wish: StoreWish | undefined): void {
    const entry = this.#require(name);
    const { store: made, ...rest } = entry.config;
    const wanted = wish && newStoreConfig(wish);
    const same =
      wanted?.kind === 'local'
        ? made?.kind === 'local' && made.members === wanted.members
        : made?.kind === wanted?.kind;
    if (!same)
      throw new ClusterError(
        'LAB_EXISTS',
        `lab ${name} keeps its objects in ${storeName(made)}; choose another --name, or 'drydock down --delete --name ${name}' first`,
      );
    if (wanted?.kind !== 'external') return;
    entry.config = { ...rest, store: wanted };
    saveLabConfig(this.#options.home.labFolder(name), entry.config);
  }

  /** Notes that `path` has the lab's entry, so that deleting the lab takes it out again. */
  remember(name: string, path: string): void {
    const { kubeconfigs } = this.#require(name).config;
    if (!kubeconfigs.includes(path)) this.configure(name, { kubeconfigs: [...kubeconfigs, path] });
  }

  start(name: string): void {
    const entry = this.#require(name);
    if (entry.phase !== 'stopped' && entry.phase !== 'failed')
      throw new ClusterError('LAB_RUNNING', `lab ${name} is ${entry.phase} already`);
    this.#set(entry, { phase: 'starting', error: undefined, steps: [] });
    this.#begin(entry);
  }

  /** Resolves when no start or stop of the lab goes on any more; rejects with why it failed. */
  async settled(name: string): Promise<RunningLab | undefined> {
    const entry = this.#require(name);
    await entry.busy;
    if (entry.phase === 'failed') throw new ClusterError('INVALID', entry.error ?? `lab ${name} failed`);
    return entry.running;
  }

  /** Ends a start that is going on, or a running lab. Idempotent. */
  async stop(name: string): Promise<void> {
    const entry = this.#require(name);
    entry.abandon?.();
    await entry.busy;
    const { running } = entry;
    if (!running) {
      this.#set(entry, { phase: 'stopped', error: undefined });
      return;
    }
    this.#set(entry, { phase: 'stopping' });
    entry.busy = running
      .stop()
      .catch((error: unknown) =>
        this.#options.logger.error(`lab ${name} did not stop cleanly`, { error: messageOf(error) }),
      );
    await entry.busy;
    this.#set(entry, { phase: 'stopped', running: undefined, runningSinceMs: undefined });
  }

  async delete(name: string, options: { readonly force: boolean } = { force: false }): Promise<void> {
    await this.stop(name);
    const entry = this.#require(name);
    await this.#options.remove(entry.config, options);
    for (const path of entry.config.kubeconfigs) removeFromKubeconfig(path, `drydock-${name}`);
    rmSync(this.#options.home.labFolder(name), { recursive: true, force: true });
    this.#entries.delete(name);
    this.#changed();
  }

  /** Writes a lab, running or not, into `file`. A start that comes meanwhile waits. Throws ClusterError or EtcdError. */
  async saveSnapshot(
    context: Context,
    name: string,
    options: Pick<SaveOptions, 'file' | 'version' | 'onSteps'>,
  ): Promise<SnapshotManifest> {
    const entry = this.#require(name);
    await entry.busy;
    const { home, clock } = this.#options;
    const { config, running } = entry;
    const saving = saveSnapshot(context, { ...options, config, running, folder: home.labFolder(name), clock });
    if (!running)
      entry.busy = saving.then(
        () => undefined,
        () => undefined,
      );
    return saving;
  }

  /** Makes a stopped lab of what `saveSnapshot` wrote. Throws ClusterError. */
  async restoreSnapshot(context: Context, options: Omit<RestoreOptions, 'home'>): Promise<void> {
    const config = await restoreSnapshot(context, { ...options, home: this.#options.home });
    this.#entries.set(config.name, newEntry(config, 'stopped'));
    this.#changed();
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((name) => this.stop(name)));
  }

  #begin(entry: Entry): void {
    const { context, cancel } = Context.background().withCancel();
    entry.abandon = cancel;
    entry.busy = entry.busy
      .then(() => this.#run(context, entry))
      .finally(() => {
        entry.abandon = undefined;
        cancel();
      });
  }

  async #run(context: Context, entry: Entry): Promise<void> {
    const { home, clock, logger, start } = this.#options;
    const folder = home.labFolder(entry.config.name);
    try {
      const running = await start(context, {
        config: entry.config,
        folder,
        onSteps: (steps) => this.#set(entry, { steps }),
        onConfig: (config) => {
          // Which kubeconfigs have an entry is not the lab's own affair: that may have changed while it started.
          entry.config = { ...config, kubeconfigs: entry.config.kubeconfigs };
          saveLabConfig(folder, entry.config);
          this.#changed();
        },
      });
      this.#set(entry, { phase: 'running', running, runningSinceMs: clock.now(), error: undefined });
    } catch (error) {
      logger.error(`lab ${entry.config.name} did not start`, { error: messageOf(error) });
      this.#set(entry, context.ended ? { phase: 'stopped' } : { phase: 'failed', error: messageOf(error) });
    }
  }

  #require(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry) return entry;
    const known = [...this.#entries.keys()];
    throw new ClusterError(
      'LAB_MISSING',
      `there is no lab ${name} in ${this.#options.home.path}${known.length > 0 ? ` (there is ${known.join(', ')})` : '; create one with drydock up'}`,
    );
  }

  #set(entry: Entry, change: Partial<Entry>): void {
    Object.assign(entry, change);
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** As etcdctl takes it. */
export function storeAccess({ endpoints, ...files }: EtcdAccess): StoreAccess {
  return { ...files, endpoint: endpoints.join(',') };
}

function storeName(store: StoreConfig | undefined): string {
  if (!store) return 'the embedded store';
  return store.kind === 'local'
    ? `${store.members} etcd members of its own`
    : `the etcd at ${store.endpoints.join(',')}`;
}

function newEntry(config: LabConfig, phase: LabPhase): Entry {
  return {
    config,
    phase,
    steps: [],
    error: undefined,
    running: undefined,
    runningSinceMs: undefined,
    busy: Promise.resolve(),
    abandon: undefined,
  };
}

function describe(entry: Entry): Lab {
  const { config, phase, steps, error, running, runningSinceMs } = entry;
  return {
    name: config.name,
    driver: config.driver,
    masters: config.masters,
    workers: config.workers.length,
    phase,
    steps,
    ...(error === undefined ? {} : { error }),
    ...(config.store ? { store: config.store.kind } : {}),
    ...(running
      ? { server: running.server, kubeconfig: running.kubeconfigPath, etcd: storeAccess(running.etcdAccess) }
      : {}),
    ...(runningSinceMs === undefined ? {} : { runningSinceMs }),
  };
}
