import { readFile } from 'node:fs/promises';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { ByteStream, ExecSession, SocketAddress } from '#base/streams';
import { MachineError } from '../errors.ts';
import {
  machinePaths,
  type MachineFile,
  type MachineProgress,
  type MachineResources,
  type MachineWatch,
  type RemoteMachine,
  type RemoteMachineState,
  type UndoAction,
} from '../machine.ts';
import { Agent, type AgentState } from './agent.ts';
import { forwardApi } from './api-forward.ts';
import type { SshConnection } from './connection.ts';
import type { MachineFacts } from './facts.ts';
import { install, loadRecord } from './install/installer.ts';
import { removeInstalled } from './install/removal.ts';
import { SshLink } from './link.ts';
import { defaultApiPort, sshPaths } from './paths.ts';
import { readFacts } from './probe.ts';
import { RemoteShell } from './remote-shell.ts';
import { execAsRoot, rootAccess, type RootAccess } from './shell.ts';
import { watchThrough } from './watch.ts';
import { hopName, type SshTarget, type TrustedHostKeys } from './target.ts';

export interface SshMachineOptions {
  readonly name: string;
  readonly target: SshTarget;
  readonly trusted: TrustedHostKeys;
  /** Called for each connection to 127.0.0.1:`apiPort` of the machine; whoever gets it ends it. */
  readonly onApiConnection: (stream: ByteStream) => void;
  readonly apiPort?: number;
  /** The agent's bundle on this computer. */
  readonly agentBundle: string;
  /** A tar on this computer with packages, or a root file system, for a machine that reaches no mirror. */
  readonly archive?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Default 5 s; see {@link SshLink}. */
  readonly keepAliveMs?: number;
}

/** What a connection in use is good for. */
interface Session {
  readonly connection: SshConnection;
  readonly access: RootAccess;
  readonly shell: RemoteShell;
  readonly agent: Agent;
}

/** A machine that was lost may be restarting. */
const bootMs = 60_000;

/** How often the agent is asked whether it still runs. */
const lookMs = 15_000;
/** The same while it starts. */
const lookSoonMs = 1_000;

/** A machine that is reached by SSH. It keeps its connection: see {@link SshLink}. */
export class SshMachine implements RemoteMachine {
  readonly name: string;
  readonly driver = 'ssh';
  readonly #options: SshMachineOptions;
  readonly #link: SshLink;
  readonly #listeners = new Set<() => void>();
  #session: Session | undefined;
  #facts: MachineFacts | undefined;
  #agentState: RemoteMachineState = 'absent';
  #state: RemoteMachineState = 'absent';
  #sinceMs: number;
  #look: Disposable | undefined;
  #wantsForward = false;
  #forwardedBy: SshConnection | undefined;

  constructor(options: SshMachineOptions) {
    this.name = options.name;
    this.#options = options;
    this.#sinceMs = options.clock.now();
    this.#link = new SshLink(options.target, {
      ...options,
      onConnected: (context, connection) => this.#greet(context, connection),
    });
    this.#link.onChange(() => this.#update());
  }

  get state(): RemoteMachineState {
    return this.#state;
  }
  get sinceMs(): number {
    return this.#sinceMs;
  }
  get address(): string | undefined {
    return this.#options.target.address ?? this.#facts?.address;
  }
  /** `ssh:<subnet of the main device>`, known after the first connection. */
  get networkId(): string {
    return `ssh:${this.#facts?.subnet ?? this.#options.target.host}`;
  }
  get resources(): MachineResources {
    return { cpus: this.#facts?.cpus ?? 0, memoryBytes: this.#facts?.memoryBytes ?? 0 };
  }
  /** What the machine is, since the first connection. */
  get facts(): MachineFacts | undefined {
    return this.#facts;
  }
  /** For `apiUpstreams` of the agent's configuration. */
  get apiUpstream(): SocketAddress {
    return { ip: '127.0.0.1', port: this.#options.apiPort ?? defaultApiPort };
  }

  async prepare(context: Context, onProgress: (progress: MachineProgress) => void): Promise<void> {
    onProgress({ text: `Connecting to ${hopName(this.#options.target)}` });
    const session = await this.#connect(context);
    await this.#openForward(context, session);
    const { shell } = session;
    const facts = this.#requireFacts();
    refuseUnfit(facts);
    const { archive } = this.#options;
    await install(context, facts, { shell, onProgress, ...(archive === undefined ? {} : { archive }) });
    if (facts.missing.length === 0) return;
    await this.#examine(context, await this.#connect(context));
    const { missing } = this.#requireFacts();
    if (missing.length > 0)
      throw new MachineError('MISSING', `${this.name} still misses ${missing.join(', ')} after the installation`);
    onProgress({ text: 'Everything is installed', fraction: 1 });
  }

  async start(
    context: Context,
    files: readonly MachineFile[],
    onProgress: (progress: MachineProgress) => void,
  ): Promise<void> {
    const session = this.#sessionOf(await this.#link.connectPatiently(context, bootMs));
    await this.#openForward(context, session);
    const { agent } = session;
    onProgress({ text: 'Uploading the agent' });
    const was = await agent.state(context);
    const need = await agent.giveFiles(context, [await this.#bundle(), ...files], this.#requireFacts().systemd);
    if (was === 'paused') await agent.do(context, 'unpause');
    const alive = was === 'running' || was === 'starting' || was === 'paused';
    if (!alive || need === 'restart') {
      if (alive) await agent.do(context, 'stop');
      this.#enter('starting');
      onProgress({ text: 'Making the images of a node' });
      await agent.makeImages(context, this.#requireFacts().versions['busybox-static'] ?? '/bin/busybox');
      onProgress({ text: 'Starting the agent' });
      await agent.do(context, 'start');
    } else if (need === 'reload') await agent.do(context, 'reload');
    onProgress({ text: 'Waiting for the container runtime' });
    await agent.untilReady(context);
    this.#enter('running');
    onProgress({ text: 'The node runs', fraction: 1 });
  }

  async stop(context: Context): Promise<void> {
    await this.#tell(context, 'stop', 'stopped');
  }

  /** SIGKILL for the agent, the container runtime and all containers at once: the nearest to pulling the plug of what is ours. */
  async kill(context: Context): Promise<void> {
    await this.#tell(context, 'kill', 'killed');
  }

  /** SIGSTOP for all of ours, containers too. */
  async pause(context: Context): Promise<void> {
    if (this.#agentState !== 'running') throw new MachineError('FAILED', `${this.name} does not run`);
    await this.#tell(context, 'pause', 'paused');
  }

  async unpause(context: Context): Promise<void> {
    await this.#tell(context, 'unpause', 'running');
  }

  async watchOver(context: Context, undo: UndoAction): Promise<MachineWatch> {
    const command = ['sh', sshPaths.agentScript, 'guard', undo];
    const session = await this.exec(context, command, { stdin: true });
    return watchThrough(session, this.name, () => this.#untilUp());
  }

  /** Leaves the machine as `prepare` found it. */
  async remove(context: Context): Promise<void> {
    const { shell, agent } = await this.#connect(context);
    await agent.do(context, 'stop');
    const record = await loadRecord(context, shell);
    await removeInstalled(context, record, shell);
    this.#wantsForward = false;
    this.#enter('absent');
  }

  async exec(context: Context, command: readonly string[], options: { readonly stdin: boolean }): Promise<ExecSession> {
    const { connection, access } = await this.#require(context);
    return execAsRoot(context, connection, access, command, options);
  }

  async dial(context: Context, address: SocketAddress): Promise<ByteStream> {
    const { connection } = await this.#require(context);
    return connection.dial(context, address);
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return disposable(() => this.#listeners.delete(listener));
  }

  close(): void {
    this.#look?.dispose();
    this.#link.close();
  }

  async #tell(context: Context, verb: 'stop' | 'kill' | 'pause' | 'unpause', state: RemoteMachineState): Promise<void> {
    const { agent } = await this.#connect(context);
    if ((await agent.state(context)) === 'absent') return this.#enter('absent');
    await agent.do(context, verb);
    this.#enter(state);
  }

  /** Reaches the machine, now if need be. */
  async #connect(context: Context): Promise<Session> {
    return this.#sessionOf(await this.#link.connect(context));
  }

  /** Throws MachineError UNREACHABLE at once while the machine is. */
  async #require(context: Context): Promise<Session> {
    return this.#sessionOf(await this.#link.require(context));
  }

  #untilUp(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (this.#link.state !== 'up') return;
        listening.dispose();
        resolve();
      };
      const listening = this.#link.onChange(look);
      look();
    });
  }

  #sessionOf(connection: SshConnection): Session {
    if (this.#session?.connection === connection) return this.#session;
    throw connection.lost ?? new MachineError('UNREACHABLE', `${this.name} is being connected`);
  }

  #requireFacts(): MachineFacts {
    if (!this.#facts) throw new MachineError('FAILED', `nothing is known of ${this.name}`);
    return this.#facts;
  }

  /** Makes a fresh connection usable: root, the way back to the API server, and what is true of the machine by now. */
  async #greet(context: Context, connection: SshConnection): Promise<void> {
    const { target } = this.#options;
    const access = await rootAccess(context, connection, target.user, target.sudoPassword);
    const shell = new RemoteShell((scope, command, options) => execAsRoot(scope, connection, access, command, options));
    const session = { connection, access, shell, agent: new Agent(shell) };
    if (this.#wantsForward) await this.#openForward(context, session);
    await this.#examine(context, session);
    const state = await session.agent.state(context);
    // systemd starts it by itself; elsewhere nobody does after a reboot.
    if (state === 'down' && this.#facts?.systemd !== true) await session.agent.do(context, 'start');
    this.#session = session;
    this.#agentState = stateOf(state);
    this.#lookLater();
  }

  /** Nothing is changed on a machine that is only looked at: the way back is made when it is to become a node. */
  async #openForward(context: Context, { connection, shell }: Session): Promise<void> {
    this.#wantsForward = true;
    if (this.#forwardedBy === connection) return;
    await forwardApi(context, connection, shell, this.apiUpstream.port, this.#options.onApiConnection);
    this.#forwardedBy = connection;
  }

  async #bundle(): Promise<MachineFile> {
    return { path: machinePaths.agentBundle, content: await readFile(this.#options.agentBundle), mode: 0o755 };
  }

  async #examine(context: Context, { connection, access }: Pick<Session, 'connection' | 'access'>): Promise<void> {
    this.#facts = await readFacts(context, connection, (command, stdin) =>
      execAsRoot(context, connection, access, command, { stdin }),
    );
  }

  #lookLater(): void {
    this.#look?.dispose();
    const delayMs = this.#agentState === 'starting' ? lookSoonMs : lookMs;
    this.#look = this.#options.clock.setTimer(delayMs, () => {
      void this.#lookNow().finally(() => this.#link.state === 'up' && this.#lookLater());
    });
  }

  /** Programs end without a word to us, and come back. */
  async #lookNow(): Promise<void> {
    const session = this.#session;
    if (!session || session.connection.lost || this.#link.state !== 'up') return;
    const before = this.#agentState;
    try {
      const state = stateOf(await session.agent.state(Context.background()));
      // Whoever changed it meanwhile knows better.
      if (this.#agentState === before) this.#enter(state);
    } catch (error) {
      this.#options.logger.debug('the agent could not be asked', { machine: this.name, error: messageOf(error) });
    }
  }

  #enter(state: RemoteMachineState): void {
    this.#agentState = state;
    this.#update();
  }

  #update(): void {
    const state = this.#link.state === 'down' ? 'unreachable' : this.#agentState;
    if (state === this.#state) return;
    this.#state = state;
    this.#sinceMs = this.#options.clock.now();
    for (const listener of [...this.#listeners]) listener();
  }
}

function stateOf(state: AgentState): RemoteMachineState {
  return state === 'down' ? 'starting' : state;
}

/** Throws for what no installation can mend. */
function refuseUnfit(facts: MachineFacts): void {
  const lacking = Object.entries(facts.kernelFeatures).flatMap(([name, has]) => (has === 'no' ? [name] : []));
  if (lacking.length > 0)
    throw new MachineError(
      'UNSUPPORTED',
      `The machine's kernel (${facts.kernel}) lacks ${lacking.join(', ')}: load the modules or use another kernel`,
    );
  if (facts.foreignKubelet !== undefined)
    throw new MachineError(
      'ADDRESS_CLASH',
      `${facts.foreignKubelet} runs on the machine, which is a node of another cluster: stop it or choose another machine`,
    );
}
