import { readAll, readLine } from '../byte-pipe.ts';
import { resolvePath } from '../file-tree.ts';
import type { Process, Program } from '../process.ts';
import { Shell } from './interpreter.ts';
import { outputOf } from './redirections.ts';
import { loadParser } from './syntax.ts';

interface Invocation {
  command: string | undefined;
  interactive: boolean;
  options: string[];
  operands: readonly string[];
}

function parseInvocation(argv: readonly string[]): Invocation {
  const invocation: Invocation = { command: undefined, interactive: false, options: [], operands: [] };
  const rest = [...argv.slice(1)];
  let wantsCommand = false;
  while (/^[-+]./.test(rest[0] ?? '')) {
    const flag = rest.shift() ?? '';
    if (flag === '--') break;
    if (flag.startsWith('--')) continue;
    for (const letter of flag.slice(1)) {
      if (letter === 'c') wantsCommand = true;
      else if (letter === 'i') invocation.interactive = true;
      else if (letter === 'o') invocation.options.push(rest.shift() === 'pipefail' ? 'pipefail' : '');
      else if (letter !== 'l' && letter !== 's') invocation.options.push(letter);
    }
  }
  if (wantsCommand) invocation.command = rest.shift() ?? '';
  invocation.operands = rest;
  return invocation;
}

/** `sh`, `ash`, `bash`, `dash`: one shell in four names. */
export const shellProgram: Program = async (process) => {
  const shell = Shell.forProcess(process);
  const { command, interactive, options, operands } = parseInvocation(process.argv);
  const called = (process.argv[0] ?? 'sh').split('/').at(-1) ?? 'sh';
  shell.state.name = called;
  for (const option of options) if (option) shell.state.options.add(option);
  if (command !== undefined) {
    const [name = called, ...positional] = operands;
    shell.state.name = name;
    shell.state.positional = positional;
    return shell.main(() => shell.runText(command));
  }
  const [script, ...positional] = operands;
  if (script !== undefined) return runFile(process, shell, script, positional);
  if (process.tty || interactive) return new InteractiveShell(shell, called).run();
  const text = Buffer.from(await readAll(process.io.stdin, process.context)).toString('utf8');
  return shell.main(() => shell.runText(text));
};

async function runFile(process: Process, shell: Shell, script: string, positional: readonly string[]): Promise<number> {
  const path = resolvePath(process.cwd, script);
  const { files } = process.host;
  if (files.find(path)?.type !== 'file') {
    await process.complain(`${shell.state.name}: can't open '${script}': No such file or directory\n`);
    return shell.state.name === 'bash' ? 127 : 2;
  }
  shell.state.name = script;
  shell.state.positional = positional;
  return shell.main(() => shell.runText(files.readText(path)));
}

/** A shell at a terminal: prompt, line, run, until `exit` or the end of the input. */
class InteractiveShell {
  readonly #shell: Shell;
  readonly #called: string;
  #interrupted = false;

  constructor(shell: Shell, called: string) {
    this.#shell = shell;
    this.#called = called;
  }

  run(): Promise<number> {
    const { process } = this.#shell;
    process.onSignal('INT', () => {
      this.#interrupted = true;
      void this.#prompt();
    });
    process.onSignal('TERM', () => {});
    return this.#shell.main(() => this.#loop());
  }

  async #loop(): Promise<number> {
    const { process, state } = this.#shell;
    for (;;) {
      await this.#prompt();
      const script = await this.#readScript();
      if (script === undefined) {
        if (process.tty) await process.complain('\n');
        return state.lastExit;
      }
      this.#interrupted = false;
      await this.#shell.runText(script);
    }
  }

  /** A line, and more while what it begins is not complete. */
  async #readScript(): Promise<string | undefined> {
    const { process } = this.#shell;
    const parse = await loadParser();
    let text = '';
    for (;;) {
      const line = await readLine(process.io.stdin, process.context);
      if (!line) return text === '' ? undefined : text;
      if (this.#interrupted) text = '';
      this.#interrupted = false;
      text += `${line.text}\n`;
      if (!isUnfinished(parse, text)) return text;
      await this.#write('> ');
    }
  }

  async #prompt(): Promise<void> {
    const { state, process } = this.#shell;
    const sign = process.user === 0 ? '#' : '$';
    const home = state.variables.get('HOME') ?? '';
    const where = state.cwd === home ? '~' : state.cwd;
    if (this.#called === 'bash') await this.#write(`root@${process.host.hostname}:${where}${sign} `);
    else await this.#write(this.#called === 'dash' ? `${sign} ` : `${where} ${sign} `);
  }

  async #write(text: string): Promise<void> {
    await outputOf(this.#shell.open, 2).write(Buffer.from(text));
  }
}

/** Whether the parser ran out of text rather than stumbled over it. */
function isUnfinished(parse: (text: string) => unknown, text: string): boolean {
  if (/(^|[^\\])\\\n$/.test(text)) return true;
  if (/<<-?\s*\\?['"]?(\w+)/.test(text)) {
    const delimiter = /<<-?\s*\\?['"]?(\w+)/.exec(text)?.[1] ?? '';
    if (!new RegExp(`^\\t*${delimiter}$`, 'm').test(text)) return true;
  }
  try {
    parse(text);
    return false;
  } catch (error) {
    return /got EOF|unexpected EOF|unexpected end/i.test(error instanceof Error ? error.message : '');
  }
}
