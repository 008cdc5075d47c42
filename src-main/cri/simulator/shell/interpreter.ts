import { CancelledError, messageOf } from '#base/errors';
import { Pacer } from '#base/pacer';
import { BrokenPipeError, BytePipe, emptyInput, encodeText } from '../byte-pipe.ts';
import { ExitError, Process, type Program, type Signal } from '../process.ts';
import { CommandRunner } from './command-runner.ts';
import { evaluateCondition } from './conditions.ts';
import { Expander } from './expansion.ts';
import { matchesPattern } from './patterns.ts';
import { Redirector, inputOf, outputOf, type OpenFiles } from './redirections.ts';
import { LoopSignal, ReturnSignal, ShellError, ShellState, type Job } from './shell-state.ts';
import {
  loadParser,
  type CommandNode,
  type CommandOf,
  type Pipeline,
  type ScriptNode,
  type StatementNode,
} from './syntax.ts';

/** A loop that never waits must not starve the lab: every so many commands the shell rests for so many milliseconds. */
const restEvery = 2_000;
const restMs = 20;

/**
 * Runs scripts statement by statement: output streams as it is made, pipelines run side by side, jobs run in the
 * background. just-bash's parser does the reading; its interpreter, which returns output only at the end, is not used.
 */
export class Shell {
  readonly process: Process;
  readonly state: ShellState;
  readonly expander: Expander;
  readonly jobs: Job[] = [];
  readonly commands: CommandRunner;
  readonly #redirector: Redirector;
  readonly #pacer = new Pacer(4);
  readonly #pendingTraps: (Signal | 'EXIT')[] = [];
  #open: OpenFiles;
  #commands = 0;
  #wakeWaiter: (() => void) | undefined;

  constructor(process: Process, state: ShellState, open: OpenFiles) {
    this.process = process;
    this.state = state;
    this.#open = open;
    const { files } = process.host;
    this.expander = new Expander({ state, files, capture: (script) => this.capture(script), pid: () => process.pid });
    this.#redirector = new Redirector(files, state, this.expander);
    this.commands = new CommandRunner(this, this.#redirector);
  }

  static forProcess(process: Process): Shell {
    const { stdin, stdout, stderr } = process.io;
    const open = new Map([
      [0, { input: stdin }],
      [1, { output: stdout }],
      [2, { output: stderr }],
    ]);
    return new Shell(process, ShellState.forProcess(process), open);
  }

  /** The open files of the shell itself, which `exec` with redirections changes for good. */
  get open(): OpenFiles {
    return this.#open;
  }

  set open(open: OpenFiles) {
    this.#open = open;
  }

  async complain(text: string, open: OpenFiles = this.#open): Promise<void> {
    await outputOf(open, 2).write(encodeText(`${text}\n`));
  }

  /** A prompt: no line feed. */
  async complainInline(text: string, open: OpenFiles): Promise<void> {
    await outputOf(open, 2).write(encodeText(text));
  }

  /** `exec`: the shell's process goes on as another program. */
  become(argv: readonly string[], program: Program, open: OpenFiles): Promise<number> {
    const child = this.childProcess(argv, this.state.environment(), open, this.process.isInit);
    for (const signal of ['TERM', 'INT', 'HUP', 'QUIT', 'USR1', 'USR2'] as const) {
      this.process.onSignal(signal, () => child.signal(signal));
    }
    this.process.argv = argv;
    return child.run(program);
  }

  /** Reads and runs a script; a syntax error is told and gives 2. */
  async runText(text: string, open: OpenFiles = this.#open): Promise<number> {
    let script: ScriptNode;
    try {
      script = (await loadParser())(text);
    } catch (error) {
      await this.complain(
        `${this.state.name}: syntax error: ${messageOf(error).replace(/^Parse error at [\d:]+: /, '')}`,
        open,
      );
      return (this.state.lastExit = 2);
    }
    return this.statements(script.statements, open);
  }

  /** Runs a whole script as a process does: `exit`, errors and the EXIT trap included. */
  async main(run: () => Promise<number>): Promise<number> {
    let code: number;
    try {
      code = await run();
    } catch (error) {
      code = await this.#exitCodeOf(error);
    }
    const trap = this.state.traps.get('EXIT');
    if (trap !== undefined) {
      this.state.traps.delete('EXIT');
      try {
        await this.runText(trap);
      } catch (error) {
        code = await this.#exitCodeOf(error);
      }
    }
    return code;
  }

  async #exitCodeOf(error: unknown): Promise<number> {
    if (error instanceof ExitError) return error.exitCode;
    if (error instanceof ReturnSignal) return error.exitCode;
    if (error instanceof LoopSignal) return 0;
    if (error instanceof ShellError) {
      await this.complain(`${this.state.name}: ${error.message}`);
      return error.exitCode;
    }
    throw error;
  }

  async statements(list: readonly StatementNode[], open: OpenFiles): Promise<number> {
    for (const statement of list) await this.#statement(statement, open);
    return this.state.lastExit;
  }

  async #statement(statement: StatementNode, open: OpenFiles): Promise<void> {
    if (statement.deferredError) throw new ShellError(`syntax error: ${statement.deferredError.message}`);
    if (statement.background) return this.#background(statement, open);
    const { pipelines, operators } = statement;
    for (const [index, pipeline] of pipelines.entries()) {
      const operator = operators[index - 1];
      if (operator === '&&' && this.state.lastExit !== 0) continue;
      if (operator === '||' && this.state.lastExit === 0) continue;
      const followed = index < pipelines.length - 1 && operators[index] !== ';';
      await this.#tested(followed || pipeline.negated, () => this.#pipeline(pipeline, open));
      const fails = this.state.lastExit !== 0 && !followed && !pipeline.negated;
      if (fails && this.state.tested === 0 && this.state.options.has('e')) throw new ExitError(this.state.lastExit);
    }
  }

  async #tested<T>(isTest: boolean, run: () => Promise<T>): Promise<T> {
    if (!isTest) return run();
    this.state.tested++;
    try {
      return await run();
    } finally {
      this.state.tested--;
    }
  }

  async #pipeline(pipeline: Pipeline, open: OpenFiles): Promise<void> {
    const [only, ...more] = pipeline.commands;
    if (only && more.length === 0) this.state.lastExit = await this.command(only, open);
    else if (only) this.state.lastExit = await this.#piped(pipeline, open);
    if (pipeline.negated) this.state.lastExit = this.state.lastExit === 0 ? 1 : 0;
    await this.runTraps();
  }

  /** Every part in a subshell of its own, all at once, joined by pipes. */
  async #piped(pipeline: Pipeline, open: OpenFiles): Promise<number> {
    let input = inputOf(open);
    const running = pipeline.commands.map((command, index) => {
      const files = new Map(open);
      files.set(0, { input });
      const last = index === pipeline.commands.length - 1;
      const pipe = new BytePipe();
      if (!last) {
        files.set(1, { output: pipe });
        if (pipeline.pipeStderr?.[index]) files.set(2, { output: pipe });
      }
      const reads = input;
      input = pipe;
      return this.#inSubshell(files, (shell) => shell.command(command, files)).finally(() => {
        pipe.end();
        if (index > 0 && reads instanceof BytePipe) reads.close();
      });
    });
    const codes = await Promise.all(running);
    const failed = this.state.options.has('pipefail') ? codes.filter((code) => code !== 0).at(-1) : undefined;
    return failed ?? codes.at(-1) ?? 0;
  }

  async #inSubshell(open: OpenFiles, run: (shell: Shell) => Promise<number>): Promise<number> {
    const shell = new Shell(this.process, new ShellState(this.state), open);
    shell.state.tested = this.state.tested;
    try {
      return await shell.main(() => run(shell));
    } catch (error) {
      if (error instanceof BrokenPipeError) return 141;
      throw error;
    }
  }

  /** What a script writes: command substitution. */
  async capture(script: ScriptNode): Promise<string> {
    const pipe = new BytePipe();
    const open = new Map(this.#open);
    open.set(1, { output: pipe });
    const chunks: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of pipe.drain(this.process.context)) chunks.push(chunk);
    })();
    this.state.lastExit = await this.#inSubshell(open, (shell) => shell.statements(script.statements, open)).finally(
      () => pipe.end(),
    );
    await reading;
    return Buffer.concat(chunks).toString('utf8');
  }

  #background(statement: StatementNode, open: OpenFiles): void {
    const files = new Map(open);
    files.set(0, { input: emptyInput });
    const text = statement.sourceText ?? '';
    const child = this.childProcess([text || 'sh'], this.state.environment(), files);
    const shell = new Shell(child, new ShellState(this.state), files);
    const foreground: StatementNode = { ...statement, background: false };
    const exit = child.run(() => shell.main(() => shell.statements([foreground], files)));
    const job: Job = { number: this.jobs.length + 1, pid: child.pid, text, exit, exitCode: undefined };
    void exit.then((code) => (job.exitCode = code));
    this.jobs.push(job);
    this.state.lastBackground = child.pid;
    this.state.lastExit = 0;
  }

  childProcess(argv: readonly string[], env: ReadonlyMap<string, string>, open: OpenFiles, asInit = false): Process {
    const io = { stdin: inputOf(open), stdout: outputOf(open, 1), stderr: outputOf(open, 2) };
    return new Process(this.process.host, {
      argv,
      env,
      cwd: this.state.cwd,
      io,
      parent: this.process,
      tty: this.process.tty,
      asInit,
    });
  }

  /** Runs one command with its redirections; the exit code is the result. */
  async command(node: CommandNode, open: OpenFiles): Promise<number> {
    await this.#pace();
    if (node.type === 'SimpleCommand') return this.commands.run(node, open);
    if (node.type === 'FunctionDef') {
      this.state.functions.set(node.name, node);
      return 0;
    }
    try {
      return await this.#compound(node, await this.#redirector.apply(node.redirections, open));
    } catch (error) {
      if (!(error instanceof ShellError) || error.exitCode !== 1) throw error;
      await this.complain(`${this.state.name}: ${error.message}`, open);
      return 1;
    }
  }

  async #compound(
    node: Exclude<CommandNode, { type: 'SimpleCommand' | 'FunctionDef' }>,
    open: OpenFiles,
  ): Promise<number> {
    switch (node.type) {
      case 'If':
        return this.#if(node, open);
      case 'While':
      case 'Until':
        return this.#loop(open, node.body, async () => {
          const code = await this.#tested(true, () => this.statements(node.condition, open));
          return (code === 0) === (node.type === 'While');
        });
      case 'For':
        return this.#for(node, open);
      case 'CStyleFor':
        return this.#cStyleFor(node, open);
      case 'Case':
        return this.#case(node, open);
      case 'Group':
        return this.statements(node.body, open);
      case 'Subshell':
        return this.#inSubshell(open, (shell) => shell.statements(node.body, open));
      case 'ArithmeticCommand':
        return (await this.expander.arithmetic(node.expression)) === 0n ? 1 : 0;
      case 'ConditionalCommand':
        return (await evaluateCondition(node.expression, this)) ? 0 : 1;
    }
  }

  async #if(node: CommandOf<'If'>, open: OpenFiles): Promise<number> {
    for (const clause of node.clauses) {
      const code = await this.#tested(true, () => this.statements(clause.condition, open));
      if (code === 0) return this.#body(clause.body, open);
    }
    return node.elseBody ? this.#body(node.elseBody, open) : 0;
  }

  /** A body that may be empty: then the result is 0, not that of the condition. */
  async #body(body: readonly StatementNode[], open: OpenFiles): Promise<number> {
    this.state.lastExit = 0;
    return this.statements(body, open);
  }

  async #loop(
    open: OpenFiles,
    body: readonly StatementNode[],
    next: () => Promise<boolean>,
    after?: () => Promise<void>,
  ): Promise<number> {
    let code = 0;
    while (await next()) {
      try {
        code = await this.statements(body, open);
      } catch (error) {
        if (!(error instanceof LoopSignal)) throw error;
        if (--error.levels > 0) throw error;
        this.state.lastExit = code = 0;
        if (error.kind === 'break') break;
      }
      await after?.();
      await this.#pace();
    }
    return code;
  }

  async #for(node: CommandOf<'For'>, open: OpenFiles): Promise<number> {
    const items = node.words ? await this.expander.words(node.words) : [...this.state.positional];
    return this.#loop(open, node.body, async () => {
      const item = items.shift();
      if (item !== undefined) this.state.set(node.variable, item);
      return item !== undefined;
    });
  }

  async #cStyleFor(node: CommandOf<'CStyleFor'>, open: OpenFiles): Promise<number> {
    const { init, condition, update } = node;
    if (init) await this.expander.arithmetic(init);
    return this.#loop(
      open,
      node.body,
      async () => !condition || (await this.expander.arithmetic(condition)) !== 0n,
      async () => {
        if (update) await this.expander.arithmetic(update);
      },
    );
  }

  async #case(node: CommandOf<'Case'>, open: OpenFiles): Promise<number> {
    const text = await this.expander.text(node.word);
    let matched = false;
    for (const item of node.items) {
      for (const pattern of item.patterns) matched ||= matchesPattern(await this.expander.pattern(pattern), text);
      if (!matched) continue;
      await this.#body(item.body, open);
      if (item.terminator === ';;') return this.state.lastExit;
      if (item.terminator === ';;&') matched = false;
    }
    return matched ? this.state.lastExit : 0;
  }

  /** Sets or, with undefined, clears what happens at a signal. */
  setTrap(signal: Signal | 'EXIT', action: string | undefined): void {
    if (action === undefined) this.state.traps.delete(signal);
    else this.state.traps.set(signal, action);
    if (signal === 'EXIT') return;
    const registration = this.process.onSignal(signal, () => {
      if (this.state.traps.get(signal) === '') return;
      this.#pendingTraps.push(signal);
      this.#wakeWaiter?.();
    });
    if (action === undefined) registration.dispose();
  }

  async runTraps(): Promise<void> {
    for (let signal = this.#pendingTraps.shift(); signal; signal = this.#pendingTraps.shift()) {
      const action = this.state.traps.get(signal);
      if (!action) continue;
      const { lastExit } = this.state;
      await this.runText(action);
      this.state.lastExit = lastExit;
    }
  }

  /** Waits for a job; a trapped signal ends the wait early. */
  async waitFor(job: Job): Promise<number> {
    const signalled = new Promise<'signal'>((resolve) => {
      this.#wakeWaiter = () => resolve('signal');
    });
    if (this.#pendingTraps.length > 0) return 128;
    const result = await Promise.race([job.exit, signalled]);
    this.#wakeWaiter = undefined;
    return result === 'signal' ? 143 : result;
  }

  async #pace(): Promise<void> {
    if (this.process.context.ended) throw new CancelledError('cancelled');
    this.#commands++;
    if (this.#commands % 64 === 0) await this.#pacer.pace();
    if (this.#commands % restEvery === 0) await this.process.sleep(restMs);
  }
}
