import { spawn, type ChildProcess } from 'node:child_process';
import { disposable, type Disposable } from '#base/disposable';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Rescue, UndoAction } from '../machine.ts';

/** One line of the guard's standard input: what to undo when that input ends, or what is to be forgotten. */
export type GuardLine =
  { readonly keep: string; readonly rescue: Rescue; readonly action: UndoAction } | { readonly drop: string };

/** Remembers what this process cannot undo when it dies. */
export interface FaultGuard {
  /** Until it is disposed of. */
  watch(rescue: Rescue, action: UndoAction): Disposable;
}

export interface GuardProcessOptions {
  /** Starts the guard: program and arguments. */
  readonly command: readonly string[];
  readonly logger: Logger;
}

/**
 * A process of its own that outlives this one, whatever ends it: it reads a pipe, and when that ends it undoes what it was
 * told. Started with the first thing there is to guard; in a session of its own, so that Ctrl-C in a terminal is not for it.
 */
export class GuardProcess implements FaultGuard {
  readonly #options: GuardProcessOptions;
  readonly #kept = new Map<string, GuardLine>();
  #child: ChildProcess | undefined;
  #next = 1;

  constructor(options: GuardProcessOptions) {
    this.#options = options;
  }

  watch(rescue: Rescue, action: UndoAction): Disposable {
    const keep = String(this.#next++);
    const line: GuardLine = { keep, rescue, action };
    this.#kept.set(keep, line);
    if (this.#child) this.#tell(line);
    else this.#start();
    return disposable(() => {
      if (this.#kept.delete(keep)) this.#tell({ drop: keep });
    });
  }

  /** The guard ends; it undoes what is still kept. */
  close(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.stdin?.end();
  }

  #start(): void {
    const { command, logger } = this.#options;
    const [program = '', ...args] = command;
    const child = spawn(program, args, {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
      // Electron's own program is Node with this.
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    });
    this.#child = child;
    const over = (why: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      // A guard that was ended by somebody is missed: the next one is told everything.
      if (this.#kept.size > 0) logger.warn('the guard of faults ended: frozen nodes may stay so', { why });
    };
    child.once('error', (error) => over(messageOf(error)));
    child.once('exit', (code, signal) => over(signal ?? `code ${String(code)}`));
    child.stdin.on('error', (error) => over(messageOf(error)));
    child.unref();
    for (const line of this.#kept.values()) this.#tell(line);
  }

  #tell(line: GuardLine): void {
    this.#child?.stdin?.write(`${JSON.stringify(line)}\n`);
  }
}
