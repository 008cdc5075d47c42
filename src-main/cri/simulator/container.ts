import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import type { Random } from '#base/random';
import type { ExecOptions, ExecSession, NetworkNamespace } from '#base/streams';
import { CriError, type ContainerConfig, type ContainerState, type ContainerStatus } from '../cri.ts';
import { BytePipe, emptyInput, type ByteInput, type ByteOutput } from './byte-pipe.ts';
import { startAttach, startExec } from './exec-session.ts';
import { ContainerLog } from './container-log.ts';
import type { FileTree } from './file-tree.ts';
import type { ResolvedImage } from './image-catalogue.ts';
import { dnsFile } from './name-resolution.ts';
import type { NodeFiles } from './node-files.ts';
import { Process, ProcessTable, type ProcessHost, type Program } from './process.ts';
import { defaultPath, missingBinary, ProgramFinder } from './program-finder.ts';
import { Terminal } from './terminal.ts';
import { buildRootFileSystem, userlandCommands } from './userland.ts';
import type { DnsConfig } from '../cri.ts';

/** What a container takes from its sandbox and its node. */
export interface ContainerSurroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly sandboxId: string;
  readonly hostname: string;
  readonly dns: DnsConfig | undefined;
  readonly network: NetworkNamespace;
  readonly nodeFiles: NodeFiles;
  readonly programs: ReadonlyMap<string, Program>;
  readonly kernelVersion: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly onExit: (container: SimulatedContainer) => void;
}

/** One simulated container: its files, its processes and its log. */
export class SimulatedContainer {
  readonly id: string;
  readonly config: ContainerConfig;
  readonly image: ResolvedImage;
  readonly createdAtMs: number;
  readonly log: ContainerLog;
  readonly processes = new ProcessTable();
  readonly host: ProcessHost;
  readonly #around: ContainerSurroundings;
  #files: FileTree | undefined;
  #state: ContainerState = 'CONTAINER_CREATED';
  #main: Process | undefined;
  #startedAtMs: number | undefined;
  #finishedAtMs: number | undefined;
  #exitCode: number | undefined;
  #startError: string | undefined;
  #terminal: Terminal | undefined;
  #stdin: BytePipe | undefined;
  readonly #screens = new Set<(stream: 'stdout' | 'stderr', bytes: Uint8Array) => void>();
  #exited: Promise<number> | undefined;

  constructor(id: string, config: ContainerConfig, image: ResolvedImage, around: ContainerSurroundings) {
    this.id = id;
    this.config = config;
    this.image = image;
    this.#around = around;
    this.createdAtMs = around.clock.now();
    this.log = new ContainerLog(around.clock);
    this.host = this.#makeHost();
  }

  get sandboxId(): string {
    return this.#around.sandboxId;
  }

  get state(): ContainerState {
    return this.#state;
  }

  /** Built when first looked at: most containers' files never are. */
  get files(): FileTree {
    this.#files ??= this.#buildFiles();
    return this.#files;
  }

  status(): ContainerStatus {
    const failed = this.#startError !== undefined;
    return {
      id: this.id,
      podSandboxId: this.sandboxId,
      metadata: this.config.metadata,
      image: this.image.image.repoTags[0] ?? this.config.image,
      imageRef: this.image.image.repoDigests[0] ?? this.image.image.id,
      state: this.#state,
      createdAtMs: this.createdAtMs,
      labels: this.config.labels,
      annotations: this.config.annotations,
      ...(this.#startedAtMs === undefined ? {} : { startedAtMs: this.#startedAtMs }),
      ...(this.#finishedAtMs === undefined ? {} : { finishedAtMs: this.#finishedAtMs }),
      ...(this.#exitCode === undefined ? {} : { exitCode: this.#exitCode }),
      ...(this.#state === 'CONTAINER_EXITED'
        ? { reason: failed ? 'StartError' : this.#exitCode === 0 ? 'Completed' : 'Error' }
        : {}),
      ...(this.#startError === undefined ? {} : { message: this.#startError }),
    };
  }

  /** The command line of the container's own process, as CRI merges it with the image's. */
  argv(): readonly string[] {
    const { command, args } = this.config;
    const { entrypoint, cmd } = this.image.entry;
    if (command.length > 0) return [...command, ...args];
    return [...entrypoint, ...(args.length > 0 ? args : cmd)];
  }

  start(): void {
    if (this.#state !== 'CONTAINER_CREATED')
      throw new CriError('FailedPrecondition', `container ${this.id} is not in created state`);
    const argv = this.argv();
    const env = this.environment();
    const program = this.host.program(argv[0] ?? '', env);
    if (!program) return this.#failStart(argv[0] ?? '');
    const process = new Process(this.host, {
      argv,
      env,
      cwd: this.workingDirectory(),
      io: this.#makeIo(),
      tty: this.config.tty,
      user: this.user(),
    });
    this.#main = process;
    this.#terminal?.setLeader(process);
    this.#state = 'CONTAINER_RUNNING';
    this.#startedAtMs = this.#around.clock.now();
    this.#exited = process.run(program).then((exitCode) => {
      this.#finish(exitCode);
      return exitCode;
    });
  }

  /** SIGTERM now, SIGKILL after `timeoutMs`; resolves when the container has exited. */
  async stop(context: Context, timeoutMs: number): Promise<void> {
    if (this.#state !== 'CONTAINER_RUNNING') {
      this.#state = 'CONTAINER_EXITED';
      return;
    }
    const main = this.#main;
    if (timeoutMs > 0) {
      const timer = this.#around.clock.setTimer(timeoutMs, () => main?.signal('KILL'));
      main?.signal('TERM');
      await untilEnd(context, Promise.resolve(this.#exited)).finally(() => timer.dispose());
    } else {
      main?.signal('KILL');
      await this.#exited;
    }
  }

  /** What the death of the machine does: everything ends and nothing is told to anyone. */
  kill(): void {
    this.processes.killAll();
  }

  user(): number {
    return this.config.runAsUser ?? this.image.entry.user ?? 0;
  }

  workingDirectory(): string {
    return this.config.workingDir || this.image.entry.workingDir || '/';
  }

  environment(): ReadonlyMap<string, string> {
    const env = new Map<string, string>(Object.entries({ PATH: defaultPath, HOSTNAME: this.#around.hostname }));
    if (this.config.tty) env.set('TERM', 'xterm');
    for (const [key, value] of Object.entries(this.image.entry.env ?? {})) env.set(key, value);
    for (const { key, value } of this.config.envs) env.set(key, value);
    if (!env.has('HOME')) env.set('HOME', this.user() === 0 ? '/root' : '/');
    return env;
  }

  exec(options: ExecOptions): ExecSession {
    if (this.#state !== 'CONTAINER_RUNNING') {
      throw new CriError('FailedPrecondition', `cannot exec in container ${this.id}: container is not running`);
    }
    const name = options.command[0] ?? '';
    const env = new Map(this.environment());
    if (options.tty) env.set('TERM', 'xterm');
    const program = this.host.program(name, env);
    if (!program) {
      throw new CriError(
        'Unknown',
        `failed to exec in container: failed to start exec "${this.#around.random.hex(64)}": OCI runtime exec failed: exec failed: unable to start container process: ${missingBinary(name)}`,
      );
    }
    return startExec(this.host, options, { env, cwd: this.workingDirectory(), user: this.user() }, program);
  }

  attach(options: Omit<ExecOptions, 'command'>): ExecSession {
    if (this.#state !== 'CONTAINER_RUNNING' || !this.#exited) {
      throw new CriError('FailedPrecondition', `container ${this.id} is not running`);
    }
    const point = { stdin: this.#stdin, terminal: this.#terminal, exited: this.#exited, screens: this.#screens };
    return startAttach({ ...point, stdinOnce: this.config.stdinOnce }, options.stdin);
  }

  #makeIo(): { stdin: ByteInput; stdout: ByteOutput; stderr: ByteOutput } {
    if (this.config.tty) {
      this.#terminal = new Terminal(this.processes, (bytes) => this.#emit('stdout', bytes));
      this.#stdin = this.#terminal.input;
      return {
        stdin: this.config.stdin ? this.#terminal.input : emptyInput,
        stdout: this.#terminal.output,
        stderr: this.#terminal.output,
      };
    }
    if (this.config.stdin) this.#stdin = new BytePipe();
    return {
      stdin: this.#stdin ?? emptyInput,
      stdout: { write: (bytes) => this.#emit('stdout', bytes) },
      stderr: { write: (bytes) => this.#emit('stderr', bytes) },
    };
  }

  #emit(stream: 'stdout' | 'stderr', bytes: Uint8Array): void {
    this.log.write(stream, bytes);
    for (const screen of this.#screens) screen(stream, bytes);
  }

  #failStart(name: string): never {
    const message = `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: ${missingBinary(name)}`;
    this.#startError = message;
    this.#startedAtMs = 0;
    this.#finish(128);
    throw new CriError('Unknown', message);
  }

  #finish(exitCode: number): void {
    this.#state = 'CONTAINER_EXITED';
    this.#exitCode = exitCode;
    this.#finishedAtMs = this.#around.clock.now();
    this.processes.killAll();
    this.log.end();
    this.#around.onExit(this);
  }

  #makeHost(): ProcessHost {
    const around = this.#around;
    const files = (): FileTree => this.files;
    const finder = new ProgramFinder({
      image: this.image.entry,
      mounts: this.config.mounts,
      programs: around.programs,
      built: () => this.#files,
      files,
    });
    return {
      clock: around.clock,
      random: around.random,
      hostname: around.hostname,
      network: around.network,
      get files() {
        return files();
      },
      processes: this.processes,
      program: (path, env) => finder.find(path, env),
      untouched: (path) => finder.untouched(path),
      binaries: userlandCommands(this.image.entry.userland),
      kernelVersion: around.kernelVersion,
    };
  }

  #buildFiles(): FileTree {
    const around = this.#around;
    const tree = buildRootFileSystem({
      image: this.image.entry,
      now: () => around.clock.now(),
      randomBytes: (length) => Buffer.from(around.random.hex(length * 2), 'hex'),
      processes: this.processes,
      kernelVersion: around.kernelVersion,
      memoryBytes: around.memoryBytes,
      cpus: around.cpus,
      output: (stream, bytes) => this.#emit(stream, bytes),
    });
    tree.write('/etc/hostname', `${around.hostname}\n`);
    tree.write('/etc/resolv.conf', dnsFile(around.dns));
    tree.makeDirectory(this.workingDirectory(), { recursive: true });
    for (const mount of [...this.config.mounts].sort((a, b) => a.containerPath.length - b.containerPath.length)) {
      if (!around.nodeFiles.exists(mount.hostPath)) around.nodeFiles.makeDirectory(mount.hostPath);
      tree.mount(mount.containerPath, around.nodeFiles.tree.require(mount.hostPath), mount.readonly);
    }
    if (this.config.security?.readonlyRootfs) tree.makeReadOnly();
    return tree;
  }
}

/** The outcome of `work`, or CancelledError as soon as `context` ends. A context outlives many containers: nothing of one stays with it. */
function untilEnd<T>(context: Context, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const ending = context.onEnd(() => reject(new CancelledError(context.endedBy ?? 'cancelled')));
    void work.then(resolve, reject).finally(() => ending.dispose());
  });
}
