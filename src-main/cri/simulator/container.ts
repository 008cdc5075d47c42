import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import type { Random } from '#base/random';
import type { ExecOptions, ExecSession, NetworkNamespace } from '#base/streams';
import { CriError, type ContainerConfig, type ContainerState, type ContainerStatus } from '../cri.ts';
import { BrokenPipeError, BytePipe, emptyInput, nullOutput, type ByteInput, type ByteOutput } from './byte-pipe.ts';
import { ContainerLog } from './container-log.ts';
import type { FileTree } from './file-tree.ts';
import type { ResolvedImage } from './image-catalogue.ts';
import { dnsFile } from './name-resolution.ts';
import type { NodeFiles } from './node-files.ts';
import { Process, ProcessTable, type ProcessHost, type Program } from './process.ts';
import { Terminal } from './terminal.ts';
import { buildRootFileSystem, programOf, userlandCommands } from './userland.ts';
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

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

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
      await Promise.race([this.#exited, rejectOnEnd(context)]).finally(() => timer.dispose());
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
    const env = new Map<string, string>(Object.entries({ PATH: searchPath, HOSTNAME: this.#around.hostname }));
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
        `failed to exec in container: failed to start exec "${this.#around.random.hex(64)}": OCI runtime exec failed: exec failed: unable to start container process: ${this.missingBinary(name)}`,
      );
    }
    return this.#startExec(options, env, program);
  }

  attach(options: Omit<ExecOptions, 'command'>): ExecSession {
    if (this.#state !== 'CONTAINER_RUNNING' || !this.#exited) {
      throw new CriError('FailedPrecondition', `container ${this.id} is not running`);
    }
    const [stdout, stderr] = [new BytePipe(), new BytePipe()];
    const screen = (stream: 'stdout' | 'stderr', bytes: Uint8Array): void => {
      void (stream === 'stdout' ? stdout : stderr).write(bytes).catch(ignoreBrokenPipe);
    };
    this.#screens.add(screen);
    const leave = (): void => {
      this.#screens.delete(screen);
      stdout.end();
      stderr.end();
    };
    const exit = this.#exited.then((exitCode) => {
      leave();
      return { exitCode };
    });
    const [stdin, terminal] = [this.#stdin, this.#terminal];
    return {
      stdin:
        options.stdin && stdin
          ? {
              write: (chunk) => (terminal ? terminal.type(chunk) : stdin.write(chunk)),
              end: () => {
                if (this.config.stdinOnce) stdin.end();
              },
            }
          : undefined,
      stdout: stdout.drain(Context.background()),
      stderr: stderr.drain(Context.background()),
      resize: () => {},
      exit,
      close: leave,
    };
  }

  /** runc's words for a binary that is not there. */
  missingBinary(name: string): string {
    if (name.includes('/')) return `exec: "${name}": stat ${name}: no such file or directory: unknown`;
    return `exec: "${name}": executable file not found in $PATH: unknown`;
  }

  #startExec(options: ExecOptions, env: ReadonlyMap<string, string>, program: Program): ExecSession {
    const [stdin, stdout, stderr] = [new BytePipe(), new BytePipe(), new BytePipe()];
    const terminal = options.tty ? new Terminal(this.processes, (bytes) => stdout.write(bytes)) : undefined;
    const io = terminal
      ? { stdin: terminal.input, stdout: terminal.output, stderr: terminal.output }
      : {
          stdin: options.stdin ? stdin : emptyInput,
          stdout: options.stdout ? stdout : nullOutput,
          stderr: options.stderr ? stderr : nullOutput,
        };
    const process = new Process(this.host, {
      argv: options.command,
      env,
      cwd: this.workingDirectory(),
      io,
      tty: options.tty,
      user: this.user(),
    });
    terminal?.setLeader(process);
    const exit = process.run(program).then((exitCode) => {
      stdout.end();
      stderr.end();
      stdin.close();
      return { exitCode };
    });
    return {
      stdin: options.stdin
        ? {
            write: (chunk) => (terminal ? terminal.type(chunk) : stdin.write(chunk)),
            end: () => (terminal ? terminal.hangUp() : stdin.end()),
          }
        : undefined,
      stdout: stdout.drain(Context.background()),
      stderr: stderr.drain(Context.background()),
      resize: () => {},
      exit,
      // Like containerd, leave the process running: only its streams are gone.
      close: () => {
        (terminal?.input ?? stdin).end();
        stdout.close();
        stderr.close();
        process.signal('HUP');
      },
    };
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
    const message = `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: ${this.missingBinary(name)}`;
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
    return {
      clock: around.clock,
      random: around.random,
      hostname: around.hostname,
      network: around.network,
      get files() {
        return files();
      },
      processes: this.processes,
      program: (path, env) => this.#findProgram(path, env),
      binaries: userlandCommands(this.image.entry.userland),
      kernelVersion: around.kernelVersion,
    };
  }

  #findProgram(path: string, env: ReadonlyMap<string, string>): Program | undefined {
    const { programs } = this.#around;
    // Looking a well-known binary up must not build the files of a container that needs none.
    if (!this.#files && this.config.mounts.every((mount) => !path.startsWith(mount.containerPath))) {
      const own = this.image.entry.binaries?.[path];
      if (own) return programs.get(own);
      if (!path.includes('/') && userlandCommands(this.image.entry.userland).includes(path)) return programs.get(path);
    }
    const candidates = path.includes('/')
      ? [path]
      : (env.get('PATH') ?? searchPath).split(':').map((directory) => `${directory}/${path}`);
    for (const candidate of candidates) {
      const node = this.files.find(candidate);
      if (node?.type !== 'file') continue;
      const name = programOf(node);
      if (name !== undefined) return programs.get(name);
      if ((node.mode & 0o111) !== 0) return this.#script(candidate, node.content);
    }
    return undefined;
  }

  /** A text file with its execute bit set: run by the interpreter its first line names. */
  #script(path: string, content: Uint8Array): Program | undefined {
    const first = Buffer.from(content.subarray(0, 256)).toString('utf8').split('\n', 1)[0] ?? '';
    const [interpreter = '/bin/sh', ...options] = first.startsWith('#!') ? first.slice(2).trim().split(/\s+/) : [];
    const program = this.host.program(interpreter, new Map());
    if (!program) return undefined;
    return (process) => {
      const argv = [interpreter, ...options, path, ...process.argv.slice(1)];
      const child = new Process(this.host, {
        argv,
        env: process.env,
        cwd: process.cwd,
        io: process.io,
        parent: process,
        tty: process.tty,
        asInit: process.isInit,
      });
      for (const signal of ['TERM', 'INT', 'HUP'] as const) process.onSignal(signal, () => child.signal(signal));
      return child.run(program);
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
    return tree;
  }
}

function ignoreBrokenPipe(error: unknown): void {
  if (!(error instanceof BrokenPipeError)) throw error;
}

function rejectOnEnd(context: Context): Promise<never> {
  return new Promise((_resolve, reject) => {
    context.onEnd(() => {
      try {
        context.check();
      } catch (error) {
        reject(error);
      }
    });
  });
}
