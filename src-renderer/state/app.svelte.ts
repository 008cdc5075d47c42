import { createContext } from 'svelte';
import type { HostFacts } from '#contract/calls';
import type { Lab } from '#contract/labs';
import type { DockerCheck } from '#contract/machines';
import { defaultSettings, type Settings } from '#contract/settings';
import { Connection, type ConnectionStatus } from '../ipc/connection.ts';
import { openPort } from '../ipc/port.ts';
import { Actions } from './actions.svelte.ts';
import { FaultActions } from './fault-actions.ts';
import { LabState } from './lab.svelte.ts';
import { MasterActions } from './master-actions.ts';
import { MemberActions } from './member-actions.ts';
import { NodeActions } from './node-actions.ts';
import { Reflector } from './reflector.svelte.ts';
import { Terminals } from './terminals.svelte.ts';
import { Ticker } from './ticker.svelte.ts';
import { WorkloadActions } from './workload-actions.ts';

export type Page = 'lab' | 'workloads' | 'store';
export type DialogName =
  | 'create'
  | 'save-snapshot'
  | 'restore-snapshot'
  | 'deploy'
  | 'palette'
  | 'keys'
  | 'delete-lab'
  | 'add-worker'
  | 'load-image'
  | 'link-fault'
  | 'node-fault';

/** Of the dialogs that change something: what they are for. */
const dialogTitles: Readonly<Record<Exclude<DialogName, 'palette' | 'keys'>, string>> = {
  create: 'New cluster',
  'save-snapshot': 'Save a snapshot',
  'restore-snapshot': 'Restore from a snapshot',
  deploy: 'Deploy',
  'delete-lab': 'Delete the cluster',
  'add-worker': 'Add a worker',
  'load-image': 'Load an image',
  'link-fault': 'Break a link',
  'node-fault': 'Break a node',
};

/** What a dialog about a fault begins with. */
export interface FaultDraft {
  readonly from: string;
  readonly to: string;
}
/** What the details panel shows: a pod by uid, a worker by name. */
export type Selection = { readonly kind: 'pod' | 'node'; readonly id: string };

/** Everything the UI knows and can do, made once. Features reach it with {@link useApp}. */
export class AppState {
  status = $state<ConnectionStatus>('connecting');
  host = $state.raw<HostFacts | undefined>();
  settings = $state.raw<Settings>(defaultSettings);
  settingsLoaded = $state(false);
  page = $state<Page>('lab');
  #dialog = $state<DialogName | undefined>();
  /** Of the dialogs about faults: the ends of the link, or the node as `from`. */
  faultDraft = $state.raw<FaultDraft>({ from: '', to: '' });
  selection = $state.raw<Selection | undefined>();
  /** Which kind the list of workloads shows, and the words it is filtered by to begin with. */
  workloadKind = $state('All');
  workloadFilter = $state('');
  /** The key whose value the store shows. */
  storeKey = $state<string | undefined>();
  /** What the page looks like at the moment, whatever was chosen. */
  theme = $state<'light' | 'dark'>('light');
  readonly ticker = new Ticker();
  readonly connection: Connection;
  readonly labs: Reflector<'labs'>;
  readonly actions: Actions;
  readonly nodes: NodeActions;
  readonly masters: MasterActions;
  readonly members: MemberActions;
  readonly workloads: WorkloadActions;
  readonly faults: FaultActions;
  readonly terminals: Terminals;

  constructor() {
    this.connection = new Connection(openPort, (status) => {
      this.status = status;
      if (status === 'open') this.#opened();
    });
    this.labs = new Reflector(this.connection, 'labs', {}, (lab) => lab.name);
    this.actions = new Actions(this.connection, () => this.#locked);
    this.nodes = new NodeActions(this.connection, this.actions);
    this.masters = new MasterActions(this.connection, this.actions);
    this.members = new MemberActions(this.connection, this.actions);
    this.workloads = new WorkloadActions(this.actions);
    this.faults = new FaultActions(this.connection, this.actions);
    this.terminals = new Terminals(this.connection, (what) => this.actions.refuses(what));
  }

  readonly labList = $derived.by(() => [...this.labs.items.values()].sort((a, b) => (a.name < b.name ? -1 : 1)));

  /** The lab on the screen: the one that was open last, or any. */
  readonly lab = $derived.by((): Lab | undefined => this.labs.items.get(this.settings.lab) ?? this.labList[0]);

  readonly #runningName = $derived.by(() => (this.lab?.phase === 'running' ? this.lab.name : undefined));

  /** The streams of the lab on the screen; undefined while it does not run. */
  readonly state = $derived.by(() =>
    this.#runningName === undefined ? undefined : new LabState(this.connection, this.#runningName, this.ticker),
  );

  /** Why nothing may be changed at the moment: the lab is shown as it was. */
  readonly #locked = $derived.by(() => {
    const at = this.state?.rewind.moment?.revision;
    return at === undefined ? undefined : `the lab is shown as it was at revision ${at}; go back to now to change it`;
  });

  get dialog(): DialogName | undefined {
    return this.#dialog;
  }

  /** A dialog that would change something does not open while nothing may be changed. */
  set dialog(name: DialogName | undefined) {
    const reads = name === undefined || name === 'palette' || name === 'keys';
    if (reads || !this.actions.refuses(dialogTitles[name])) this.#dialog = name;
  }

  /** Asked anew each time: Docker may have been started since. A host that cannot tell says why not. */
  async checkDocker(): Promise<DockerCheck> {
    try {
      return await this.connection.call('docker.check', {});
    } catch (error) {
      return { usable: false, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  openLab(name: string): void {
    this.selection = undefined;
    this.storeKey = undefined;
    this.page = 'lab';
    this.set({ lab: name });
  }

  /** Asks what to do to the link between two ends: names of nodes, or `api`. */
  breakLink(from: string, to: string): void {
    this.faultDraft = { from, to };
    this.dialog = 'link-fault';
  }

  breakNode(node: string): void {
    this.faultDraft = { from: node, to: '' };
    this.dialog = 'node-fault';
  }

  set(change: Partial<Settings>): void {
    this.settings = { ...this.settings, ...change };
    this.connection.call('settings.set', { change }).catch((error: unknown) => {
      this.actions.toast(
        'bad',
        `the choice is not remembered: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
  }

  showWorkload(kind: string, name: string): void {
    this.page = 'workloads';
    this.workloadKind = kind;
    this.workloadFilter = name;
  }

  showKey(key: string): void {
    this.storeKey = key;
    if (this.page === 'workloads') this.page = 'store';
    if (this.settings.panelTab !== 'store') this.set({ panelTab: 'store' });
    this.selection = undefined;
  }

  #opened(): void {
    this.labs.start();
    this.#load().catch((error: unknown) => {
      this.actions.toast('bad', error instanceof Error ? error.message : String(error));
    });
  }

  async #load(): Promise<void> {
    const [host, settings] = await Promise.all([
      this.connection.call('host.info', {}),
      this.connection.call('settings.get', {}),
    ]);
    this.host = host;
    this.ticker.synchronize(host.nowMs);
    if (!this.settingsLoaded) this.settings = settings;
    this.settingsLoaded = true;
  }
}

export const [useApp, provideApp] = createContext<AppState>();
