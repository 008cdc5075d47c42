import { readLine } from '../byte-pipe.ts';
import type { Builtin } from './builtin.ts';
import { print } from './builtin.ts';
import type { Shell } from './interpreter.ts';
import { inputOf } from './redirections.ts';

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

/** `name=value` in its parts; the value is undefined without `=`. */
export function splitAssignment(arg: string): [string, string | undefined] {
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

/** Builtins about variables, options and positional parameters. */
export const variableBuiltins: readonly (readonly [string, Builtin])[] = [
  ['declare', local],
  ['export', exportBuiltin],
  ['getopts', getopts],
  ['local', local],
  ['read', read],
  ['readonly', readonly],
  ['set', set],
  ['shift', shift],
  ['typeset', local],
  ['unset', unset],
];
