import { resolvePath } from '../file-tree.ts';
import { ExitError, signals, type Signal } from '../process.ts';
import { print, type Builtin } from './builtin.ts';
import type { Shell } from './interpreter.ts';
import type { Job } from './shell-state.ts';

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

/** Builtins about processes, jobs and signals. */
export const processBuiltins: readonly (readonly [string, Builtin])[] = [
  ['exec', exec],
  ['kill', kill],
  ['trap', trap],
  ['wait', wait],
];
