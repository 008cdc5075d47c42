import type { ByteInput, ByteOutput } from '../byte-pipe.ts';
import type { Process, Signal } from '../process.ts';
import type { FunctionDef } from './syntax.ts';

/** One open file of a shell: a side to read from, a side to write to. */
export interface OpenFile {
  readonly input?: ByteInput;
  readonly output?: ByteOutput;
}

/** A command running in the background. */
export interface Job {
  readonly number: number;
  readonly pid: number;
  readonly text: string;
  readonly exit: Promise<number>;
  exitCode: number | undefined;
}

/** Everything a subshell gets a copy of. */
export class ShellState {
  readonly variables: Map<string, string>;
  readonly arrays: Map<string, string[]>;
  readonly exported: Set<string>;
  readonly readOnly: Set<string>;
  readonly functions: Map<string, FunctionDef>;
  readonly aliases: Map<string, string>;
  readonly options: Set<string>;
  readonly traps: Map<Signal | 'EXIT', string>;
  positional: readonly string[];
  name: string;
  cwd: string;
  lastExit = 0;
  lastBackground = 0;
  /** Inside `if`, `while`, `&&`, `||`, `!`: `set -e` does not apply. */
  tested = 0;
  /** Variables to restore when the running function returns, innermost last. */
  readonly locals: Map<string, string | undefined>[] = [];

  constructor(from?: ShellState) {
    this.variables = new Map(from?.variables);
    this.arrays = new Map([...(from?.arrays ?? [])].map(([name, items]) => [name, [...items]]));
    this.exported = new Set(from?.exported);
    this.readOnly = new Set(from?.readOnly);
    this.functions = new Map(from?.functions);
    this.aliases = new Map(from?.aliases);
    this.options = new Set(from?.options);
    this.traps = new Map();
    this.positional = from?.positional ?? [];
    this.name = from?.name ?? 'sh';
    this.cwd = from?.cwd ?? '/';
    this.lastExit = from?.lastExit ?? 0;
    this.lastBackground = from?.lastBackground ?? 0;
  }

  static forProcess(process: Process): ShellState {
    const state = new ShellState();
    for (const [name, value] of process.env) {
      state.variables.set(name, value);
      state.exported.add(name);
    }
    state.variables.set('IFS', ' \t\n');
    state.variables.set('PWD', process.cwd);
    state.exported.add('PWD');
    state.cwd = process.cwd;
    return state;
  }

  set(name: string, value: string): void {
    if (this.readOnly.has(name)) throw new ShellError(`${name}: is read only`);
    this.variables.set(name, value);
    if (this.options.has('a')) this.exported.add(name);
  }

  unset(name: string): void {
    this.variables.delete(name);
    this.arrays.delete(name);
    this.exported.delete(name);
  }

  /** The environment of a command. */
  environment(extra?: ReadonlyMap<string, string>): Map<string, string> {
    const env = new Map<string, string>();
    for (const name of this.exported) {
      const value = this.variables.get(name);
      if (value !== undefined) env.set(name, value);
    }
    for (const [name, value] of extra ?? []) env.set(name, value);
    return env;
  }
}

/** A mistake of the script that ends it: a bad substitution, an unset parameter. */
export class ShellError extends Error {
  override readonly name = 'ShellError';
  readonly exitCode: number;
  constructor(message: string, exitCode = 2) {
    super(message);
    this.exitCode = exitCode;
  }
}

export class LoopSignal extends Error {
  override readonly name = 'LoopSignal';
  readonly kind: 'break' | 'continue';
  levels: number;
  constructor(kind: 'break' | 'continue', levels: number) {
    super(kind);
    this.kind = kind;
    this.levels = levels;
  }
}

export class ReturnSignal extends Error {
  override readonly name = 'ReturnSignal';
  readonly exitCode: number;
  constructor(exitCode: number) {
    super('return');
    this.exitCode = exitCode;
  }
}
