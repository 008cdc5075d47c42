import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, copyFileSync, fstatSync, mkdirSync, openSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { Backoff } from '#base/backoff';
import type { Clock } from '#base/clock';
import type { Disposable } from '#base/disposable';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';

/** `/var/log/drydock/<name>.log`, and `<name>.log.1` for what was before. */
export const logFolder = '/var/log/drydock';

/** What each program does now, for people, drivers and faults: a JSON array of {@link ProcessReport}. */
export const statusPath = '/run/drydock/status.json';

const maxLogBytes = 10 * 1024 * 1024;
const logCheckMs = 30_000;

/** A run of at least this length was a good one: the next start waits for nothing. */
const goodRunMs = 10_000;

/** How long a program may take to end in order. */
const stopGraceMs = 3_000;

/** What `node-agent.cjs` ends with when it has no program of that name: starting it again cannot help. */
const unknownProcessExitCode = 2;

export interface ProcessReport {
  readonly name: string;
  /** `held`: ended on purpose by a file in the hold folder. `failed`: given up, see `lastExit`. */
  readonly state: 'stopped' | 'running' | 'waiting' | 'held' | 'failed';
  readonly pid: number | undefined;
  readonly restarts: number;
  /** `code 1`, `signal SIGKILL`, or why it could not be started. */
  readonly lastExit: string | undefined;
}

export interface SupervisedProcessOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onChange: () => void;
  readonly logFolder?: string;
}

/**
 * One program that is started again when it ends, after a delay that grows while it fails. It writes to its log file itself, so
 * that nothing it says is lost or blocks it when the supervisor is busy or gone.
 */
export class SupervisedProcess {
  readonly name: string;
  readonly #options: SupervisedProcessOptions;
  readonly #backoff: Backoff;
  #wanted = false;
  #held = false;
  #failed = false;
  #restarts = 0;
  #lastExit: string | undefined;
  #child: ChildProcess | undefined;
  #timer: Disposable | undefined;
  #whenEnded: (() => void) | undefined;

  constructor(options: SupervisedProcessOptions) {
    this.name = options.name;
    this.#options = options;
    this.#backoff = new Backoff({ initialMs: 200, factor: 2, maxMs: 10_000, jitter: 0.2 }, options.random);
  }

  get report(): ProcessReport {
    return {
      name: this.name,
      state: this.#stateName(),
      pid: this.#child?.pid,
      restarts: this.#restarts,
      lastExit: this.#lastExit,
    };
  }

  /** Idempotent. */
  start(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#run();
  }

  /** Ends it now and starts it at once. Also one that was given up. */
  restart(): void {
    this.#failed = false;
    this.#backoff.reset();
    if (this.#child) this.#child.kill('SIGTERM');
    else if (this.#wanted) this.#run();
  }

  /** While held it is killed and not started again, as if its binary had been broken. */
  hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    this.#options.logger.info(held ? 'held down' : 'no longer held down', { process: this.name });
    if (held) {
      this.#timer?.dispose();
      this.#child?.kill('SIGKILL');
    } else {
      this.#backoff.reset();
      if (this.#wanted && !this.#child) this.#run();
    }
    this.#options.onChange();
  }

  /** SIGTERM, and SIGKILL when that takes too long. Resolves when it has ended. */
  async stop(): Promise<void> {
    this.#wanted = false;
    this.#timer?.dispose();
    const child = this.#child;
    if (!child) return;
    const ended = new Promise<void>((resolve) => {
      this.#whenEnded = resolve;
    });
    child.kill('SIGTERM');
    const timer = this.#options.clock.setTimer(stopGraceMs, () => child.kill('SIGKILL'));
    await ended;
    timer.dispose();
  }

  #run(): void {
    this.#timer?.dispose();
    if (!this.#wanted || this.#held || this.#failed || this.#child) return;
    const { clock, command, logger } = this.#options;
    const folder = this.#options.logFolder ?? logFolder;
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `${this.name}.log`);
    const log = openSync(path, 'a');
    const startedMs = clock.now();
    const child = spawn(command[0] ?? '', command.slice(1), { stdio: ['ignore', log, log] });
    this.#child = child;
    const rotation = this.#rotate(log, path);
    let ended = false;
    const end = (text: string, code: number | null): void => {
      // A program that cannot be started says both `error` and `exit`.
      if (ended) return;
      ended = true;
      rotation.dispose();
      closeSync(log);
      this.#child = undefined;
      this.#lastExit = text;
      if (this.#wanted && !this.#held) logger.warn('a program ended', { process: this.name, exit: text, log: path });
      this.#next(code, clock.now() - startedMs);
      this.#whenEnded?.();
    };
    child.once('error', (error) => end(error.message, null));
    child.once('exit', (code, signal) => end(signal ? `signal ${signal}` : `code ${code ?? ''}`, code));
    this.#options.onChange();
  }

  #next(code: number | null, ranMs: number): void {
    if (this.#wanted && !this.#held) {
      if (code === unknownProcessExitCode) {
        this.#failed = true;
        this.#options.logger.error('a program is given up: it cannot be started like this', { process: this.name });
      } else {
        if (ranMs >= goodRunMs) this.#backoff.reset();
        this.#restarts++;
        this.#timer = this.#options.clock.setTimer(ranMs >= goodRunMs ? 0 : this.#backoff.next(), () => this.#run());
      }
    }
    this.#options.onChange();
  }

  /** The program appends to an open file, so the file is copied and cut, not renamed. */
  #rotate(log: number, path: string): Disposable {
    const { clock, logger } = this.#options;
    let timer: Disposable | undefined;
    const arm = (): void => {
      timer = clock.setTimer(logCheckMs, () => {
        try {
          if (fstatSync(log).size > maxLogBytes) {
            copyFileSync(path, `${path}.1`);
            truncateSync(path);
          }
        } catch (error) {
          logger.warn('a log was not rotated', { path, error: error instanceof Error ? error.message : '' });
        }
        arm();
      });
    };
    arm();
    return { dispose: () => timer?.dispose() };
  }

  #stateName(): ProcessReport['state'] {
    if (this.#failed) return 'failed';
    if (this.#child) return 'running';
    if (this.#held) return 'held';
    return this.#wanted ? 'waiting' : 'stopped';
  }
}
