import { createHash } from 'node:crypto';
import type { ContainerInspectInfo } from 'dockerode';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { ByteStream, ExecSession, SocketAddress } from '#base/streams';
import { MachineError } from '../errors.ts';
import type {
  MachineFile,
  MachineProgress,
  MachineResources,
  RemoteMachine,
  RemoteMachineState,
  Rescue,
} from '../machine.ts';
import { archiveOf } from './archive.ts';
import { dialDirect, isUnroutable, relayCommand, relayedStream } from './dial.ts';
import type { DockerEngine } from './engine.ts';
import { engineFailure } from './errors.ts';
import { execInContainer } from './exec.ts';
import { containerName, volumeName } from './labels.ts';
import type { DockerNetwork } from './network.ts';
import { nodeContainerOptions, nodeVolumes, resourceLimits, type HostTraits } from './node-container.ts';
import { waitForSupervisor } from './supervisor-gate.ts';

/** What machines of one driver share. */
export interface MachineHost {
  readonly home: string;
  readonly lab: string;
  readonly engine: DockerEngine;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly network: DockerNetwork;
  /** The node image's tag, once it is there. */
  image(context: Context, onProgress: (progress: MachineProgress) => void): Promise<string>;
  traits(context: Context, image: string): Promise<HostTraits>;
}

/** Which files a container was given, by hash, to know whether an agent that runs is the one that is wanted. */
const filesMark = '/etc/drydock/files.sha256';

/** The seconds a node gets to stop in order before Docker kills it. */
const stopSeconds = 10;

const pauseAttempts = 4;
const pauseGapMs = 300;

/** One node container. */
export class DockerMachine implements RemoteMachine {
  readonly name: string;
  readonly driver = 'docker';
  /** What `docker ps` calls it. */
  readonly containerName: string;
  readonly #host: MachineHost;
  readonly #hostNumber: number;
  readonly #listeners = new Set<() => void>();
  #resources: MachineResources;
  #state: RemoteMachineState = 'absent';
  #sinceMs: number;
  #address: string | undefined;
  /** Undefined until the first connection has shown it. */
  #routable: boolean | undefined;
  #image: string | undefined;

  constructor(host: MachineHost, name: string, resources: MachineResources, hostNumber: number) {
    this.name = name;
    this.containerName = containerName(host.home, host.lab, name);
    this.#host = host;
    this.#resources = resources;
    this.#hostNumber = hostNumber;
    this.#sinceMs = host.clock.now();
  }

  get state(): RemoteMachineState {
    return this.#state;
  }
  get sinceMs(): number {
    return this.#sinceMs;
  }
  get networkName(): string {
    return this.#host.network.name;
  }
  get address(): string | undefined {
    return this.#address ?? this.#host.network.addressOf(this.#hostNumber);
  }
  get networkId(): string {
    return this.#host.network.networkId;
  }
  get rescue(): Rescue {
    const { engine, home } = this.#host;
    return { driver: 'docker', endpoint: engine.endpoint, container: this.containerName, home };
  }
  get resources(): MachineResources {
    return this.#resources;
  }

  /** Builds the image when it is missing, makes the lab's network, and looks at what is there. */
  async prepare(context: Context, onProgress: (progress: MachineProgress) => void): Promise<void> {
    this.#image = await this.#host.image(context, onProgress);
    await this.#host.network.ensure(context);
    await this.refresh(context);
  }

  async start(
    context: Context,
    files: readonly MachineFile[],
    onProgress: (progress: MachineProgress) => void,
  ): Promise<void> {
    const image = this.#image ?? (await this.#host.image(context, onProgress));
    this.#image = image;
    const { subnet, id } = await this.#host.network.ensure(context);
    onProgress({ text: `Starting the container on ${subnet}` });
    const there = await this.#matching(context, image, id);
    if (!there) await this.#create(context, image);
    const running = there?.State.Running === true;
    if (there?.State.Paused) await this.unpause(context);
    const adopted = await this.#giveFiles(context, files, there !== undefined);
    if (!running) {
      await this.#call(context, 'start', (container) => container.start());
    } else if (!adopted) {
      // Its containers go on: only the agent's own programs read their configuration again.
      await this.#call(context, 'signal', (container) => container.kill({ signal: 'SIGHUP' }));
    }
    await this.refresh(context);
    onProgress({ text: 'Waiting for the container runtime' });
    await waitForSupervisor(context, this.#host.engine, this.#host.clock, this.containerName, () => this.state);
    onProgress({ text: 'The node runs', fraction: 1 });
  }

  async stop(context: Context): Promise<void> {
    if (this.#state === 'paused') await this.unpause(context);
    await this.#ignoring(
      [304, 404],
      this.#call(context, 'stop', (container) => container.stop({ t: stopSeconds })),
    );
    await this.refresh(context);
  }

  async kill(context: Context): Promise<void> {
    await this.#ignoring(
      [404, 409],
      this.#call(context, 'kill', (container) => container.kill()),
    );
    await this.refresh(context);
  }

  async pause(context: Context): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#call(context, 'pause', (container) => container.pause());
        break;
      } catch (error) {
        // runc gives up when processes start faster than a busy kernel freezes them (cgroup v1).
        if (attempt === pauseAttempts || (await this.#inspect(context))?.State.Running !== true) throw error;
        await this.#host.clock.sleep(context, pauseGapMs);
      }
    }
    await this.refresh(context);
  }

  async unpause(context: Context): Promise<void> {
    await this.#call(context, 'unpause', (container) => container.unpause());
    await this.refresh(context);
  }

  async remove(context: Context): Promise<void> {
    await this.#removeContainer(context);
    for (const { use } of nodeVolumes) {
      const volume = volumeName(this.#host.home, this.#host.lab, this.name, use);
      await this.#ignoring(
        [404],
        this.#host.engine.call(context, `remove the volume ${volume}`, (docker) => docker.getVolume(volume).remove()),
      );
    }
    this.#enter('absent', undefined);
  }

  exec(context: Context, command: readonly string[], options: { readonly stdin: boolean }): Promise<ExecSession> {
    const { engine, clock } = this.#host;
    return execInContainer(context, { engine, clock, container: this.containerName, command, stdin: options.stdin });
  }

  /**
   * Straight to the container's own address where this computer has a route to it. All other addresses (the container's
   * loopback, pods), and all addresses where the engine runs in a machine of its own, through a relay in the container.
   */
  async dial(context: Context, address: SocketAddress): Promise<ByteStream> {
    const routable = this.#host.network.facts?.gatewayIsHost === false ? false : this.#routable;
    if (address.ip === this.address && routable !== false) {
      try {
        const stream = await dialDirect(context, this.#host.clock, address);
        this.#routable = true;
        return stream;
      } catch (error) {
        if (this.#routable === true || !isUnroutable(error) || this.#state !== 'running') throw error;
        this.#routable = false;
        this.#host.logger.info('no route to containers: connections go through a relay', { reason: messageOf(error) });
      }
    }
    return relayedStream(await this.exec(context, relayCommand(address), { stdin: true }), address);
  }

  /** Takes effect at once when the container is there. */
  async setResources(context: Context, resources: MachineResources): Promise<void> {
    this.#resources = resources;
    await this.#ignoring(
      [404],
      this.#call(context, 'change the limits of', (container) => container.update(resourceLimits(resources))),
    );
    this.#changed();
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return disposable(() => this.#listeners.delete(listener));
  }

  close(): void {
    this.#listeners.clear();
  }

  /** Asks the engine what is true now. Called for each of its events. */
  async refresh(context: Context): Promise<void> {
    const facts = await this.#inspect(context);
    if (!facts) return this.#enter('absent', undefined);
    const endpoint = facts.NetworkSettings.Networks[this.#host.network.name];
    this.#enter(stateOf(facts), endpoint?.IPAddress || undefined, changedAtMs(facts));
  }

  /** The engine's events stopped: nobody can say what the container does. */
  lost(): void {
    if (this.#state !== 'absent') this.#enter('unreachable', this.#address);
  }

  /** The container, when it is the one that would be made now; another one is removed, its volumes stay. */
  async #matching(context: Context, image: string, networkId: string): Promise<ContainerInspectInfo | undefined> {
    const facts = await this.#inspect(context);
    if (!facts) return undefined;
    const endpoint = facts.NetworkSettings.Networks[this.#host.network.name];
    const ip = endpoint?.IPAMConfig?.IPv4Address;
    // A network that was removed and made again has another id, and the container no way to it.
    const sameNetwork = endpoint?.NetworkID === networkId && ip === this.#host.network.addressOf(this.#hostNumber);
    if (facts.Config.Image !== image || !sameNetwork) {
      await this.#removeContainer(context);
      return undefined;
    }
    const wanted = resourceLimits(this.#resources);
    if (facts.HostConfig.NanoCpus !== wanted.NanoCpus || facts.HostConfig.Memory !== wanted.Memory) {
      await this.setResources(context, this.#resources);
    }
    return facts;
  }

  async #create(context: Context, image: string): Promise<void> {
    const { home, lab, engine, network } = this.#host;
    const ip = network.addressOf(this.#hostNumber);
    if (ip === undefined) throw new MachineError('INVALID', `the lab's network has no address ${this.#hostNumber}`);
    const options = nodeContainerOptions({
      home,
      lab,
      node: this.name,
      image,
      network: network.name,
      ip,
      resources: this.#resources,
      traits: await this.#host.traits(context, image),
    });
    await engine.call(context, `create the container ${this.containerName}`, (docker) =>
      docker.createContainer(options),
    );
  }

  /** Whether the container had exactly these files already. */
  async #giveFiles(context: Context, files: readonly MachineFile[], mayHave: boolean): Promise<boolean> {
    const hash = createHash('sha256');
    for (const file of files) hash.update(`${file.path}\0${file.mode}\0${file.content.length}\0`).update(file.content);
    const mark = hash.digest('hex');
    if (mayHave && (await this.#readMark(context)) === mark) return true;
    const archive = await archiveOf([...files, { path: filesMark, content: Buffer.from(`${mark}\n`), mode: 0o600 }]);
    await this.#call(context, 'write files into', (container) => container.putArchive(archive, { path: '/' }));
    return false;
  }

  async #readMark(context: Context): Promise<string | undefined> {
    const archive = await this.#ignoring(
      [404],
      this.#call(context, 'read a file of', async (container) => {
        const chunks: Buffer[] = [];
        for await (const chunk of await container.getArchive({ path: filesMark })) chunks.push(Buffer.from(chunk));
        return Buffer.concat(chunks);
      }),
    );
    // One file of one tar block: its content starts after the header.
    return archive?.subarray(512, 512 + 64).toString('latin1');
  }

  async #removeContainer(context: Context): Promise<void> {
    await this.#ignoring(
      [404],
      this.#call(context, 'remove', (container) => container.remove({ force: true, v: true })),
    );
  }

  #inspect(context: Context): Promise<ContainerInspectInfo | undefined> {
    return this.#ignoring(
      [404],
      this.#call(context, 'look at', (container) => container.inspect()),
    );
  }

  #call<T>(
    context: Context,
    verb: string,
    request: (container: ReturnType<import('dockerode')['getContainer']>) => Promise<T>,
  ): Promise<T> {
    const action = `${verb} the container ${this.containerName}`;
    return this.#host.engine.call(context, action, (docker) => request(docker.getContainer(this.containerName)));
  }

  /** Undefined for an answer that only says that there is nothing to do. */
  async #ignoring<T>(statusCodes: readonly number[], answer: Promise<T>): Promise<T | undefined> {
    try {
      return await answer;
    } catch (error) {
      const cause = error instanceof MachineError ? engineFailure(error.cause).statusCode : undefined;
      if (cause !== undefined && statusCodes.includes(cause)) return undefined;
      throw error;
    }
  }

  #enter(state: RemoteMachineState, address: string | undefined, sinceMs = this.#host.clock.now()): void {
    if (state === this.#state && address === this.#address) return;
    if (state !== this.#state) this.#sinceMs = sinceMs;
    this.#state = state;
    this.#address = address;
    this.#changed();
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** SIGKILL's exit code is all the engine keeps of how a container ended. */
const killedExitCode = 137;

function stateOf(facts: ContainerInspectInfo): RemoteMachineState {
  const { State: state } = facts;
  if (state.Paused) return 'paused';
  if (state.Restarting || state.Status === 'created') return 'starting';
  if (state.Running) return 'running';
  return state.ExitCode === killedExitCode || state.OOMKilled ? 'killed' : 'stopped';
}

function changedAtMs(facts: ContainerInspectInfo): number | undefined {
  const { StartedAt: started, FinishedAt: finished, Running: running, Paused: paused } = facts.State;
  const at = Date.parse(running ? started : finished);
  return paused || !(at > 0) ? undefined : at;
}
