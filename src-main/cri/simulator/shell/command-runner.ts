import type { Program } from '../process.ts';
import type { Builtin } from './builtin.ts';
import { builtins } from './builtins.ts';
import type { Shell } from './interpreter.ts';
import type { OpenFiles, Redirector } from './redirections.ts';
import { ReturnSignal, ShellError } from './shell-state.ts';
import type { Assignment, CommandOf, SimpleCommandNode } from './syntax.ts';

/** Runs simple commands: expansion, redirections, assignments, then a function, a builtin or a binary. */
export class CommandRunner {
  readonly #shell: Shell;
  readonly #redirector: Redirector;

  constructor(shell: Shell, redirector: Redirector) {
    this.#shell = shell;
    this.#redirector = redirector;
  }

  async run(node: SimpleCommandNode, open: OpenFiles): Promise<number> {
    try {
      const words = await this.#shell.expander.words(node.name ? [node.name, ...node.args] : node.args);
      const files = await this.#redirector.apply(node.redirections, open);
      const [name, ...args] = this.#unaliased(words);
      if (name === undefined) return await this.#assignForGood(node.assignments);
      if (this.#shell.state.options.has('x')) await this.#shell.complain(`+ ${words.join(' ')}`, open);
      this.#shell.state.variables.set('_', args.at(-1) ?? name);
      return await this.invoke(name, args, node.assignments, files);
    } catch (error) {
      if (!(error instanceof ShellError) || error.exitCode !== 1) throw error;
      await this.#shell.complain(`${this.#shell.state.name}: ${error.message}`, open);
      return 1;
    }
  }

  #unaliased(words: readonly string[]): readonly string[] {
    const alias = this.#shell.state.aliases.get(words[0] ?? '');
    return alias === undefined ? words : [...alias.split(/\s+/).filter(Boolean), ...words.slice(1)];
  }

  /** Functions first, then builtins, then binaries. */
  async invoke(
    name: string,
    args: readonly string[],
    assignments: readonly Assignment[],
    open: OpenFiles,
  ): Promise<number> {
    const definition = this.#shell.state.functions.get(name);
    if (definition) return this.#withAssignments(assignments, () => this.#call(definition, args, open));
    const builtin: Builtin | undefined = builtins.get(name);
    if (builtin) return this.#withAssignments(assignments, () => builtin(this.#shell, args, open, name));
    const extra = new Map<string, string>();
    for (const assignment of assignments) extra.set(assignment.name, await this.#valueOf(assignment));
    return this.runBinary(name, args, this.#shell.state.environment(extra), open);
  }

  async runBinary(
    name: string,
    args: readonly string[],
    env: ReadonlyMap<string, string>,
    open: OpenFiles,
  ): Promise<number> {
    const path = name.includes('/') && !name.startsWith('/') ? `${this.#shell.state.cwd}/${name}` : name;
    const program: Program | undefined = this.#shell.process.host.program(path, env);
    if (!program) {
      const exists = name.includes('/') && this.#shell.process.host.files.find(path) !== undefined;
      const text = exists ? 'Permission denied' : name.includes('/') ? 'No such file or directory' : 'not found';
      await this.#shell.complain(`${this.#shell.state.name}: ${name}: ${text}`, open);
      return exists ? 126 : 127;
    }
    const child = this.#shell.childProcess([name, ...args], env, open);
    return child.run(program);
  }

  async #call(definition: CommandOf<'FunctionDef'>, args: readonly string[], open: OpenFiles): Promise<number> {
    if (this.#shell.state.locals.length > 500) throw new ShellError(`${definition.name}: functions nest too deep`);
    const { positional } = this.#shell.state;
    this.#shell.state.positional = args;
    this.#shell.state.locals.push(new Map());
    try {
      return await this.#shell.command(definition.body, await this.#redirector.apply(definition.redirections, open));
    } catch (error) {
      if (error instanceof ReturnSignal) return (this.#shell.state.lastExit = error.exitCode);
      throw error;
    } finally {
      this.#shell.state.positional = positional;
      for (const [name, value] of this.#shell.state.locals.pop() ?? []) {
        if (value === undefined) this.#shell.state.variables.delete(name);
        else this.#shell.state.variables.set(name, value);
      }
    }
  }

  async #withAssignments(assignments: readonly Assignment[], run: () => Promise<number>): Promise<number> {
    if (assignments.length === 0) return run();
    const before = assignments.map(({ name }) => [name, this.#shell.state.variables.get(name)] as const);
    for (const assignment of assignments) this.#shell.state.set(assignment.name, await this.#valueOf(assignment));
    try {
      return await run();
    } finally {
      for (const [name, value] of before) {
        if (value === undefined) this.#shell.state.variables.delete(name);
        else this.#shell.state.variables.set(name, value);
      }
    }
  }

  async #assignForGood(assignments: readonly Assignment[]): Promise<number> {
    this.#shell.state.lastExit = 0;
    for (const assignment of assignments) {
      const element = /^(\w+)\[(\d+)\]$/.exec(assignment.name);
      if (assignment.array) {
        const items = await this.#shell.expander.words(assignment.array);
        const before = assignment.append ? (this.#shell.state.arrays.get(assignment.name) ?? []) : [];
        this.#shell.state.arrays.set(assignment.name, [...before, ...items]);
      } else if (element) {
        const items = this.#shell.state.arrays.get(element[1] ?? '') ?? [];
        items[Number(element[2])] = await this.#valueOf(assignment);
        this.#shell.state.arrays.set(element[1] ?? '', items);
      } else this.#shell.state.set(assignment.name, await this.#valueOf(assignment));
    }
    return this.#shell.state.lastExit;
  }

  async #valueOf(assignment: Assignment): Promise<string> {
    const text = assignment.value ? await this.#shell.expander.text(assignment.value) : '';
    return assignment.append ? (this.#shell.state.variables.get(assignment.name) ?? '') + text : text;
  }
}
