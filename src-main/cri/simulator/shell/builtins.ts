import { resolvePath } from '../file-tree.ts';
import { ExitError } from '../process.ts';
import { print, type Builtin } from './builtin.ts';
import { processBuiltins } from './builtins-processes.ts';
import { splitAssignment, variableBuiltins } from './builtins-variables.ts';
import { TestExpression } from './conditions.ts';
import { formatPrintf, unescapeEcho } from './printf.ts';
import { outputOf } from './redirections.ts';
import { LoopSignal, ReturnSignal, ShellError } from './shell-state.ts';

const echo: Builtin = async (_shell, args, open) => {
  const words = [...args];
  let newline = true;
  let escapes = false;
  while (/^-[neE]+$/.test(words[0] ?? '')) {
    const flags = words.shift() ?? '';
    if (flags.includes('n')) newline = false;
    if (flags.includes('e')) escapes = true;
  }
  const text = words.join(' ');
  const { value, stop } = escapes ? unescapeEcho(text) : { value: text, stop: false };
  await outputOf(open, 1).write(Buffer.from(value + (newline && !stop ? '\n' : ''), 'utf8'));
  return 0;
};

const printf: Builtin = async (shell, args, open) => {
  const [format, ...values] = args[0] === '--' ? args.slice(1) : args;
  if (format === '-v') {
    const [name = '', inner = '', ...rest] = values;
    shell.state.set(name, formatPrintf(inner, rest));
    return 0;
  }
  if (format === undefined) {
    await shell.complain(`${shell.state.name}: printf: usage: printf format [arguments]`, open);
    return 2;
  }
  await print(open, formatPrintf(format, values));
  return 0;
};

const cd: Builtin = async (shell, args, open) => {
  const { state, process } = shell;
  const [wanted] = args.filter((arg) => arg !== '-P' && arg !== '-L' && arg !== '--');
  const target =
    wanted === '-' ? (state.variables.get('OLDPWD') ?? '/') : (wanted ?? state.variables.get('HOME') ?? '/');
  const path = resolvePath(state.cwd, target);
  if (process.host.files.find(path)?.type !== 'directory') {
    const there = process.host.files.find(path) !== undefined;
    await shell.complain(
      `${state.name}: cd: can't cd to ${target}: ${there ? 'Not a directory' : 'No such file or directory'}`,
      open,
    );
    return state.name.endsWith('bash') ? 1 : 2;
  }
  state.variables.set('OLDPWD', state.cwd);
  state.cwd = path;
  state.variables.set('PWD', path);
  if (wanted === '-') await print(open, `${path}\n`);
  return 0;
};

const evalBuiltin: Builtin = (shell, args, open) => shell.runText(args.join(' '), open);

const source: Builtin = async (shell, args, open) => {
  const [name = '', ...rest] = args;
  const path = resolvePath(shell.state.cwd, name);
  if (shell.process.host.files.find(path)?.type !== 'file')
    throw new ShellError(`.: can't open '${name}': No such file or directory`);
  const { positional } = shell.state;
  if (rest.length > 0) shell.state.positional = rest;
  try {
    return await shell.runText(shell.process.host.files.readText(path), open);
  } catch (error) {
    if (error instanceof ReturnSignal) return error.exitCode;
    throw error;
  } finally {
    shell.state.positional = positional;
  }
};

const test: Builtin = async (shell, args, open, name) => {
  const words = [...args];
  if (name === '[' && words.pop() !== ']') {
    await shell.complain(`${shell.state.name}: missing ]`, open);
    return 2;
  }
  try {
    return new TestExpression(words, shell).evaluate() ? 0 : 1;
  } catch (error) {
    if (!(error instanceof ShellError)) throw error;
    await shell.complain(`${shell.state.name}: ${error.message}`, open);
    return error.exitCode;
  }
};

const type: Builtin = async (shell, args, open) => {
  let code = 0;
  for (const name of args.filter((arg) => !arg.startsWith('-'))) {
    const { host } = shell.process;
    const what = shell.state.functions.has(name)
      ? 'is a function'
      : builtins.has(name)
        ? 'is a shell builtin'
        : host.program(name, shell.state.environment())
          ? `is /bin/${name}`
          : undefined;
    if (what) await print(open, `${name} ${what}\n`);
    else {
      await print(open, `${name}: not found\n`);
      code = 127;
    }
  }
  return code;
};

const command: Builtin = async (shell, args, open) => {
  const [first, ...rest] = args;
  if (first === '-v' || first === '-V') {
    const [name = ''] = rest;
    const known = shell.state.functions.has(name) || builtins.has(name);
    const binary = !known && shell.process.host.program(name, shell.state.environment());
    if (!known && !binary) return 127;
    await print(open, `${known || name.includes('/') ? name : `/bin/${name}`}\n`);
    return 0;
  }
  if (first === undefined) return 0;
  const builtin = builtins.get(first);
  return builtin
    ? builtin(shell, rest, open, first)
    : shell.commands.runBinary(first, rest, shell.state.environment(), open);
};

function level(args: readonly string[]): number {
  return Math.max(1, Number(args[0] ?? 1));
}

const nothing: Builtin = async () => 0;

/** By name. Those that only bash has are harmless in a plain shell. */
export const builtins: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ...variableBuiltins,
  ...processBuiltins,
  [':', nothing],
  ['true', nothing],
  ['false', async () => 1],
  ['.', source],
  ['source', source],
  ['[', test],
  ['test', test],
  [
    'alias',
    async (shell, args) => {
      for (const arg of args) {
        const [name, value] = splitAssignment(arg);
        if (value !== undefined) shell.state.aliases.set(name, value);
      }
      return 0;
    },
  ],
  [
    'unalias',
    async (shell, args) => {
      for (const name of args) shell.state.aliases.delete(name);
      return 0;
    },
  ],
  ['break', (_shell, args) => Promise.reject(new LoopSignal('break', level(args)))],
  ['continue', (_shell, args) => Promise.reject(new LoopSignal('continue', level(args)))],
  ['cd', cd],
  ['command', command],
  ['echo', echo],
  ['eval', evalBuiltin],
  [
    'exit',
    (shell, args) =>
      Promise.reject(new ExitError(args[0] === undefined ? shell.state.lastExit : Number(args[0]) & 255)),
  ],
  [
    'jobs',
    async (shell, _args, open) => {
      for (const job of shell.jobs)
        if (job.exitCode === undefined) await print(open, `[${job.number}]+  Running                    ${job.text}\n`);
      return 0;
    },
  ],
  ['hash', nothing],
  ['let', (shell, args, open) => shell.runText(args.map((arg) => `((${arg}))`).join('; '), open)],
  ['printf', printf],
  [
    'pwd',
    async (shell, _args, open) => {
      await print(open, `${shell.state.cwd}\n`);
      return 0;
    },
  ],
  [
    'return',
    (shell, args) =>
      Promise.reject(new ReturnSignal(args[0] === undefined ? shell.state.lastExit : Number(args[0]) & 255)),
  ],
  ['shopt', nothing],
  ['times', nothing],
  ['type', type],
  [
    'ulimit',
    async (_shell, args, open) => {
      if (args.length === 0 || /^-\w$/.test(args.join(' '))) await print(open, 'unlimited\n');
      return 0;
    },
  ],
  [
    'umask',
    async (_shell, args, open) => {
      if (args.length === 0) await print(open, '0022\n');
      return 0;
    },
  ],
]);
