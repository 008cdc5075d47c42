import { encodeText, readLine } from '../byte-pipe.ts';
import { resolvePath } from '../file-tree.ts';
import { ExitError, signals, type Signal } from '../process.ts';
import { TestExpression } from './conditions.ts';
import { formatPrintf, unescapeEcho } from './printf.ts';
import type { Shell } from './interpreter.ts';
import { inputOf, outputOf, type OpenFiles } from './redirections.ts';
import { LoopSignal, ReturnSignal, ShellError, type Job } from './shell-state.ts';

/** A command that is part of the shell. Resolves with its exit code. */
export type Builtin = (shell: Shell, args: readonly string[], open: OpenFiles, name: string) => Promise<number>;

async function print(open: OpenFiles, text: string): Promise<void> {
  await outputOf(open, 1).write(encodeText(text));
}

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

const exportBuiltin: Builtin = async (shell, args, open) => {
  const { state } = shell;
  const names = args.filter((arg) => arg !== '-p' && arg !== '--');
  if (names.length === 0) {
    for (const name of [...state.exported].sort())
      await print(open, `export ${name}='${state.variables.get(name) ?? ''}'\n`);
    return 0;
  }
  if (names[0] === '-n') {
    for (const name of names.slice(1)) state.exported.delete(name);
    return 0;
  }
  for (const arg of names) {
    const [name = '', value] = splitAssignment(arg);
    if (value !== undefined) state.set(name, value);
    state.exported.add(name);
  }
  return 0;
};

function splitAssignment(arg: string): [string, string | undefined] {
  const equals = arg.indexOf('=');
  return equals < 0 ? [arg, undefined] : [arg.slice(0, equals), arg.slice(equals + 1)];
}

const local: Builtin = async (shell, args, _open, name) => {
  const frame = shell.state.locals.at(-1);
  for (const arg of args.filter((item) => !item.startsWith('-'))) {
    const [variable, value] = splitAssignment(arg);
    if (frame && !frame.has(variable)) frame.set(variable, shell.state.variables.get(variable));
    if (value !== undefined || name === 'local') shell.state.set(variable, value ?? '');
    if (args.includes('-x')) shell.state.exported.add(variable);
  }
  return 0;
};

const readonly: Builtin = async (shell, args) => {
  for (const arg of args) {
    const [name, value] = splitAssignment(arg);
    if (value !== undefined) shell.state.set(name, value);
    shell.state.readOnly.add(name);
  }
  return 0;
};

const read: Builtin = async (shell, args, open) => {
  const names = [...args];
  let raw = false;
  while (names[0]?.startsWith('-')) {
    const flag = names.shift() ?? '';
    if (flag.includes('r')) raw = true;
    if (flag === '-p') await shell.complainInline(names.shift() ?? '', open);
    else if (/^-[tnud]$/.test(flag)) names.shift();
  }
  let line = await readLine(inputOf(open), shell.process.context);
  if (!line) return 1;
  let text = line.text;
  while (!raw && text.endsWith('\\') && line?.terminated) {
    line = await readLine(inputOf(open), shell.process.context);
    text = text.slice(0, -1) + (line?.text ?? '');
  }
  if (!raw) text = text.replace(/\\(.)/g, '$1');
  assignFields(shell, names.length > 0 ? names : ['REPLY'], text);
  return line?.terminated ? 0 : 1;
};

/** Splits a line over names by IFS; the last name gets the rest. */
function assignFields(shell: Shell, names: readonly string[], text: string): void {
  const ifs = shell.state.variables.get('IFS') ?? ' \t\n';
  const isSeparator = (character: string): boolean => character !== '' && ifs.includes(character);
  const isSpace = (character: string): boolean => isSeparator(character) && /\s/.test(character);
  let at = 0;
  const skip = (): void => {
    while (isSpace(text.charAt(at))) at++;
  };
  skip();
  for (const [index, name] of names.entries()) {
    if (index === names.length - 1) {
      let end = text.length;
      while (end > at && isSpace(text.charAt(end - 1))) end--;
      shell.state.set(name, text.slice(at, end));
      return;
    }
    const start = at;
    while (at < text.length && !isSeparator(text.charAt(at))) at++;
    shell.state.set(name, text.slice(start, at));
    skip();
    if (isSeparator(text.charAt(at)) && !isSpace(text.charAt(at))) at++;
    skip();
  }
}

const set: Builtin = async (shell, args, open) => {
  const { state } = shell;
  if (args.length === 0) {
    for (const [name, value] of [...state.variables].sort()) await print(open, `${name}='${value}'\n`);
    return 0;
  }
  const rest = [...args];
  while (/^[-+]./.test(rest[0] ?? '')) {
    const flag = rest.shift() ?? '';
    if (flag === '--') {
      state.positional = rest;
      return 0;
    }
    const names =
      flag.slice(1) === 'o'
        ? [longOptions[rest.shift() ?? ''] ?? '']
        : [...flag.slice(1)].map((name) => (name === 'o' ? (longOptions[rest.shift() ?? ''] ?? '') : name));
    for (const name of names) {
      if (flag.startsWith('-')) state.options.add(name);
      else state.options.delete(name);
    }
  }
  if (rest.length > 0) state.positional = rest;
  return 0;
};

const longOptions: Readonly<Record<string, string>> = {
  errexit: 'e',
  nounset: 'u',
  xtrace: 'x',
  noglob: 'f',
  allexport: 'a',
  pipefail: 'pipefail',
};

const unset: Builtin = async (shell, args) => {
  for (const name of args.filter((arg) => !arg.startsWith('-'))) {
    if (args.includes('-f')) shell.state.functions.delete(name);
    else shell.state.unset(name);
  }
  return 0;
};

const shift: Builtin = async (shell, args) => {
  const count = Number(args[0] ?? 1);
  if (count > shell.state.positional.length) return 1;
  shell.state.positional = shell.state.positional.slice(count);
  return 0;
};

function signalName(text: string): Signal | 'EXIT' | undefined {
  const name = text.replace(/^SIG/, '').toUpperCase();
  if (name === 'EXIT' || name === '0') return 'EXIT';
  const found = Object.entries(signals).find(([key, number]) => key === name || String(number) === name);
  return found?.[0] as Signal | undefined;
}

const trap: Builtin = async (shell, args, open) => {
  const [action, ...names] = args[0] === '--' ? args.slice(1) : args;
  if (action === undefined) {
    for (const [name, text] of shell.state.traps) await print(open, `trap -- '${text}' ${name}\n`);
    return 0;
  }
  for (const text of names.length === 0 ? [action] : names) {
    const signal = signalName(text);
    if (!signal) {
      await shell.complain(`${shell.state.name}: trap: ${text}: invalid signal specification`, open);
      return 1;
    }
    shell.setTrap(signal, action === '-' || names.length === 0 ? undefined : action);
  }
  return 0;
};

const wait: Builtin = async (shell, args) => {
  const wanted = args.map((arg) => findJob(shell, arg));
  const jobs = args.length === 0 ? shell.jobs.filter((job) => job.exitCode === undefined) : wanted;
  let code = 0;
  for (const job of jobs) code = job ? await shell.waitFor(job) : 127;
  return code;
};

function findJob(shell: Shell, text: string): Job | undefined {
  if (text.startsWith('%')) return shell.jobs.find((job) => String(job.number) === text.slice(1)) ?? shell.jobs.at(-1);
  return shell.jobs.find((job) => String(job.pid) === text);
}

const kill: Builtin = async (shell, args, open) => {
  let signal: Signal = 'TERM';
  const targets = [...args];
  if (targets[0] === '-l') {
    await print(open, `${Object.keys(signals).join(' ')}\n`);
    return 0;
  }
  if (targets[0]?.startsWith('-')) {
    const flag = targets.shift() ?? '';
    const name = signalName(flag === '-s' || flag === '-n' ? (targets.shift() ?? '') : flag.slice(1));
    if (flag === '-0') return targets.every((target) => shell.process.host.processes.get(Number(target))) ? 0 : 1;
    if (!name || name === 'EXIT') {
      await shell.complain(`${shell.state.name}: kill: bad signal name '${flag.slice(1)}'`, open);
      return 1;
    }
    signal = name;
  }
  let code = 0;
  for (const target of targets) {
    const pid = findJob(shell, target)?.pid ?? Number(target);
    const process = shell.process.host.processes.get(pid);
    if (!process) {
      await shell.complain(`${shell.state.name}: can't kill pid ${target}: No such process`, open);
      code = 1;
    } else process.signal(signal);
  }
  return code;
};

const exec: Builtin = async (shell, args, open) => {
  const [name, ...rest] = args;
  if (name === undefined) {
    shell.open = open;
    return 0;
  }
  const path = name.includes('/') ? resolvePath(shell.state.cwd, name) : name;
  const env = shell.state.environment();
  const program = shell.process.host.program(path, env);
  if (!program) {
    await shell.complain(`${shell.state.name}: exec: ${name}: not found`, open);
    throw new ExitError(127);
  }
  throw new ExitError(await shell.become([name, ...rest], program, open));
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
  return builtin ? builtin(shell, rest, open, first) : shell.runBinary(first, rest, shell.state.environment(), open);
};

const getopts: Builtin = async (shell, args) => {
  const [spec = '', name = 'opt', ...given] = args;
  const words = given.length > 0 ? given : shell.state.positional;
  const index = Number(shell.state.variables.get('OPTIND') ?? '1');
  const word = words[index - 1];
  if (!word || !/^-./.test(word) || word === '--') {
    shell.state.set(name, '?');
    return 1;
  }
  const letter = word.charAt(1);
  const at = spec.indexOf(letter);
  const takes = at >= 0 && spec.charAt(at + 1) === ':';
  shell.state.set(name, at < 0 ? '?' : letter);
  if (takes) shell.state.set('OPTARG', word.length > 2 ? word.slice(2) : (words[index] ?? ''));
  shell.state.set('OPTIND', String(index + (takes && word.length === 2 ? 2 : 1)));
  return 0;
};

function level(args: readonly string[]): number {
  return Math.max(1, Number(args[0] ?? 1));
}

const nothing: Builtin = async () => 0;

/** By name. Those that only bash has are harmless in a plain shell. */
export const builtins: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
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
  ['declare', local],
  ['echo', echo],
  ['eval', evalBuiltin],
  ['exec', exec],
  [
    'exit',
    (shell, args) =>
      Promise.reject(new ExitError(args[0] === undefined ? shell.state.lastExit : Number(args[0]) & 255)),
  ],
  ['export', exportBuiltin],
  ['getopts', getopts],
  [
    'jobs',
    async (shell, _args, open) => {
      for (const job of shell.jobs)
        if (job.exitCode === undefined) await print(open, `[${job.number}]+  Running                    ${job.text}\n`);
      return 0;
    },
  ],
  ['hash', nothing],
  ['kill', kill],
  ['let', (shell, args, open) => shell.runText(args.map((arg) => `((${arg}))`).join('; '), open)],
  ['local', local],
  ['printf', printf],
  [
    'pwd',
    async (shell, _args, open) => {
      await print(open, `${shell.state.cwd}\n`);
      return 0;
    },
  ],
  ['read', read],
  ['readonly', readonly],
  [
    'return',
    (shell, args) =>
      Promise.reject(new ReturnSignal(args[0] === undefined ? shell.state.lastExit : Number(args[0]) & 255)),
  ],
  ['set', set],
  ['shift', shift],
  ['shopt', nothing],
  ['times', nothing],
  ['trap', trap],
  ['type', type],
  ['typeset', local],
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
  ['unset', unset],
  ['wait', wait],
]);
