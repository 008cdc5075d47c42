import { readAll } from '../byte-pipe.ts';
import { Process, type Program } from '../process.ts';

/** Runs `argv` as a child with the process's own streams. */
async function runChild(
  process: Process,
  argv: readonly string[],
  env: ReadonlyMap<string, string> = process.env,
): Promise<number> {
  const [name = ''] = argv;
  const program = process.host.program(name, env);
  if (!program) {
    await process.complain(`${process.argv[0] ?? ''}: can't execute '${name}': No such file or directory\n`);
    return 127;
  }
  const child = new Process(process.host, {
    argv,
    env,
    cwd: process.cwd,
    io: process.io,
    parent: process,
    tty: process.tty,
  });
  return child.run(program);
}

const env: Program = async (process) => {
  const variables = new Map(process.env);
  const args = [...process.argv.slice(1)];
  while (args[0] === '-i' || args[0] === '-u' || /^[A-Za-z_]\w*=/.test(args[0] ?? '')) {
    const arg = args.shift() ?? '';
    if (arg === '-i') variables.clear();
    else if (arg === '-u') variables.delete(args.shift() ?? '');
    else variables.set(arg.slice(0, arg.indexOf('=')), arg.slice(arg.indexOf('=') + 1));
  }
  if (args.length > 0) return runChild(process, args, variables);
  await process.print([...variables].map(([name, value]) => `${name}=${value}\n`).join(''));
  return 0;
};

const printenv: Program = async (process) => {
  const names = process.argv.slice(1);
  if (names.length === 0) return env(process);
  const values = names.map((name) => process.env.get(name));
  await process.print(values.flatMap((value) => (value === undefined ? [] : [`${value}\n`])).join(''));
  return values.includes(undefined) ? 1 : 0;
};

const timeout: Program = async (process) => {
  const args = [...process.argv.slice(1)];
  while (args[0]?.startsWith('-')) {
    const flag = args.shift();
    if (flag === '-s' || flag === '-k' || flag === '-t') args.shift();
  }
  const match = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(args.shift() ?? '');
  if (!match) {
    await process.complain('timeout: invalid time interval\n');
    return 125;
  }
  const scale = { s: 1, m: 60, h: 3600, d: 86400 }[match[2] ?? 's'] ?? 1;
  const [name = ''] = args;
  const program = process.host.program(name, process.env);
  if (!program) {
    await process.complain(`timeout: can't execute '${name}': No such file or directory\n`);
    return 127;
  }
  const child = new Process(process.host, {
    argv: args,
    env: process.env,
    cwd: process.cwd,
    io: process.io,
    parent: process,
    tty: process.tty,
  });
  let late = false;
  const timer = process.host.clock.setTimer(Number(match[1]) * scale * 1000, () => {
    late = true;
    child.signal('TERM');
  });
  const code = await child.run(program).finally(() => timer.dispose());
  return late && !process.host.binaries.includes('busybox') ? 124 : code;
};

const xargs: Program = async (process) => {
  const args = [...process.argv.slice(1)];
  let each = 0;
  let place: string | undefined;
  let separator = /\s+/;
  while (args[0]?.startsWith('-')) {
    const flag = args.shift() ?? '';
    if (flag === '-n' || flag === '-L' || flag === '-P') {
      const value = Number(args.shift());
      if (flag !== '-P') each = value;
    } else if (/^-n\d+$/.test(flag)) each = Number(flag.slice(2));
    else if (flag === '-I') place = args.shift();
    else if (flag === '-0') separator = /\0/;
  }
  const text = Buffer.from(await readAll(process.io.stdin, process.context)).toString('utf8');
  const items = text.split(place === undefined ? separator : /\n/).filter((item) => item !== '');
  const command = args.length > 0 ? args : ['echo'];
  let code = 0;
  const run = async (argv: readonly string[]): Promise<void> => {
    if ((await runChild(process, argv)) !== 0) code = 123;
  };
  if (place !== undefined) {
    const hole = place;
    for (const item of items) await run(command.map((word) => word.replaceAll(hole, item)));
    return code;
  }
  const step = each || Math.max(1, items.length);
  for (let at = 0; at < Math.max(1, items.length); at += step) await run([...command, ...items.slice(at, at + step)]);
  return code;
};

const busybox: Program = async (process) => {
  const [, name, ...rest] = process.argv;
  if (name === undefined || name === '--help') {
    await process.print(
      `BusyBox v1.37.0 () multi-call binary.\n\nCurrently defined functions:\n\t${process.host.binaries.join(', ')}\n`,
    );
    return 0;
  }
  if (name === '--list') {
    await process.print(process.host.binaries.map((binary) => `${binary}\n`).join(''));
    return 0;
  }
  if (process.host.binaries.includes(name)) return runChild(process, [name, ...rest]);
  await process.complain(`${name}: applet not found\n`);
  return 127;
};

const shellBuiltin: Program = async (process) => {
  const name = (process.argv[0] ?? '').split('/').at(-1) ?? '';
  const { Shell } = await import('../shell/interpreter.ts');
  const shell = Shell.forProcess(process);
  return shell.main(() => shell.commands.invoke(name, process.argv.slice(1), [], shell.open));
};

/** Commands that run other commands, and builtins that exist as binaries too. */
export const wrapperCommands: ReadonlyMap<string, Program> = new Map<string, Program>([
  ['env', env],
  ['printenv', printenv],
  ['timeout', timeout],
  ['xargs', xargs],
  ['busybox', busybox],
  ...['[', 'test', 'echo', 'printf', 'pwd', 'true', 'false', 'kill'].map((name) => [name, shellBuiltin] as const),
]);
