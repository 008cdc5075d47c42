import type { Clock } from '#base/clock';
import { CancelledError } from '#base/errors';
import { Context } from '#base/context';
import { disposable, type Disposable } from '#base/disposable';
import type { Random } from '#base/random';
import type { NetworkNamespace } from '#base/streams';
import { BrokenPipeError, encodeText, type ByteInput, type ByteOutput } from './byte-pipe.ts';
import type { FileTree } from './file-tree.ts';

/** Signals by the names that shells use, with Linux's numbers. */
export const signals = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  KILL: 9,
  USR1: 10,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
} as const;
export type Signal = keyof typeof signals;

export interface ProcessIo {
  readonly stdin: ByteInput;
  readonly stdout: ByteOutput;
  readonly stderr: ByteOutput;
}

/** What the processes of one container share. */
export interface ProcessHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly hostname: string;
  readonly network: NetworkNamespace;
  readonly files: FileTree;
  readonly processes: ProcessTable;
  /** Runs a binary by name or path; undefined when the image has none such. */
  program(path: string, env: ReadonlyMap<string, string>): Program | undefined;
  /** Whether what lies at and below `path` is as the image has it: a cheap question. */
  untouched(path: string): boolean;
  /** Names of the binaries on the image's PATH. */
  readonly binaries: readonly string[];
  /** Host name and kernel facts that `uname` and `/proc` tell. */
  readonly kernelVersion: string;
}

/**
 * A binary. Resolves with its exit code. It runs until `process.context` ends (SIGKILL, or a signal it does not handle),
 * which its awaits see as CancelledError: it need not catch that.
 */
export type Program = (process: Process) => Promise<number>;

/** The exit of a process by `exit`, from anywhere in its program. */
export class ExitError extends Error {
  override readonly name = 'ExitError';
  readonly exitCode: number;
  constructor(exitCode: number) {
    super(`exit ${exitCode}`);
    this.exitCode = exitCode;
  }
}

export interface ProcessStart {
  readonly argv: readonly string[];
  readonly env: ReadonlyMap<string, string>;
  readonly cwd: string;
  readonly io: ProcessIo;
  readonly parent?: Process;
  readonly tty?: boolean;
  readonly user?: number;
  /** Goes on in the place of the container's first process, and so ignores signals as that does. */
  readonly asInit?: boolean;
}

/** One process of a container. */
export class Process {
  readonly pid: number;
  readonly host: ProcessHost;
  /** Changes when the process becomes another program (`exec`). */
  argv: readonly string[];
  readonly env: Map<string, string>;
  cwd: string;
  readonly io: ProcessIo;
  readonly parentPid: number;
  readonly tty: boolean;
  readonly user: number;
  readonly startedAtMs: number;
  /** Ends when the process is killed. */
  readonly context: Context;
  readonly isInit: boolean;
  readonly #kill: () => void;
  readonly #handlers = new Map<Signal, () => void>();
  #killedBy: Signal | undefined;

  constructor(host: ProcessHost, start: ProcessStart) {
    this.host = host;
    this.pid = host.processes.allocate();
    this.argv = start.argv;
    this.env = new Map(start.env);
    this.cwd = start.cwd;
    this.io = start.io;
    this.parentPid = start.parent?.pid ?? 0;
    this.tty = start.tty ?? false;
    this.user = start.user ?? start.parent?.user ?? 0;
    this.startedAtMs = host.clock.now();
    this.isInit = this.pid === 1 || start.asInit === true;
    const { context, cancel } = (start.parent?.context ?? Context.background()).withCancel();
    this.context = context;
    this.#kill = cancel;
  }

  get killedBy(): Signal | undefined {
    return this.#killedBy;
  }

  /** Runs the program to its end and takes the process off the table. Never throws. */
  async run(program: Program): Promise<number> {
    this.host.processes.add(this);
    try {
      const code = await Promise.race([program(this), this.#killed()]);
      return this.#killedBy ? 128 + signals[this.#killedBy] : code & 255;
    } catch (error) {
      return await this.#exitCodeOf(error);
    } finally {
      this.host.processes.remove(this);
      this.#kill();
    }
  }

  async #exitCodeOf(error: unknown): Promise<number> {
    if (this.#killedBy) return 128 + signals[this.#killedBy];
    if (error instanceof ExitError) return error.exitCode & 255;
    if (error instanceof BrokenPipeError) return 128 + signals.PIPE;
    if (error instanceof CancelledError) return 128 + signals.KILL;
    const name = this.argv[0] ?? 'process';
    await Promise.resolve(
      this.io.stderr.write(encodeText(`${name}: ${error instanceof Error ? error.message : String(error)}\n`)),
    ).catch(
      () => undefined, // nobody reads the complaint: the exit code says it all the same
    );
    return 1;
  }

  /** Handles `signal` instead of its default action. */
  onSignal(signal: Signal, handler: () => void): Disposable {
    this.#handlers.set(signal, handler);
    return disposable(() => {
      if (this.#handlers.get(signal) === handler) this.#handlers.delete(signal);
    });
  }

  /**
   * As Linux delivers it: a handler runs; without one the process dies, except that the first process of a container
   * ignores what it does not handle. That is why `sleep` as a container's command waits out its grace period.
   */
  signal(signal: Signal): void {
    if (signal === 'KILL') return this.#die('KILL');
    const handler = this.#handlers.get(signal);
    if (handler) return handler();
    if (this.isInit || signal === 'CHLD' || signal === 'CONT' || signal === 'STOP') return;
    this.#die(signal);
  }

  sleep(milliseconds: number): Promise<void> {
    return this.host.clock.sleep(this.context, milliseconds);
  }

  async print(text: string): Promise<void> {
    await this.io.stdout.write(encodeText(text));
  }

  async complain(text: string): Promise<void> {
    await this.io.stderr.write(encodeText(text));
  }

  #die(signal: Signal): void {
    this.#killedBy ??= signal;
    this.#kill();
  }

  #killed(): Promise<never> {
    return new Promise((_resolve, reject) => {
      this.context.onEnd(() => reject(new CancelledError('cancelled')));
    });
  }
}

/** The processes of one container by number; the first one is 1. */
export class ProcessTable {
  #next = 1;
  readonly #running = new Map<number, Process>();

  allocate(): number {
    return this.#next++;
  }

  add(process: Process): void {
    this.#running.set(process.pid, process);
  }

  remove(process: Process): void {
    this.#running.delete(process.pid);
  }

  get(pid: number): Process | undefined {
    return this.#running.get(pid);
  }

  list(): readonly Process[] {
    return [...this.#running.values()].sort((a, b) => a.pid - b.pid);
  }

  killAll(): void {
    for (const process of this.#running.values()) process.signal('KILL');
  }
}
