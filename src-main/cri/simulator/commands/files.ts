import { encodeText, readAll, readLine, type ByteInput } from '../byte-pipe.ts';
import { FileError, resolvePath } from '../file-tree.ts';
import type { Process, Program } from '../process.ts';
import { runBorrowed } from './borrowed.ts';
import { grep } from './grep.ts';
import { ls } from './ls.ts';

const errorTexts: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EISDIR: 'Is a directory',
  ENOTDIR: 'Not a directory',
  EROFS: 'Read-only file system',
};

/** The content of a file named on the command line; undefined, after a complaint, when it cannot be read. */
async function content(process: Process, name: string): Promise<Uint8Array | undefined> {
  const command = process.argv[0] ?? '';
  try {
    return process.host.files.read(resolvePath(process.cwd, name));
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const text = errorTexts[error.code] ?? error.code;
    await process.complain(
      error.code === 'EISDIR' ? `${command}: read error: ${text}\n` : `${command}: can't open '${name}': ${text}\n`,
    );
    return undefined;
  }
}

async function copyInput(process: Process): Promise<void> {
  const { stdin, stdout } = process.io;
  for (let chunk = await stdin.read(process.context); chunk; chunk = await stdin.read(process.context)) {
    await stdout.write(chunk);
  }
}

/** `cat` without options, which streams; with options it is just-bash's. */
const cat: Program = async (process) => {
  const names = process.argv.slice(1);
  if (names.some((name) => /^-[^-]/.test(name) && name !== '-u')) return runBorrowed('cat', process);
  let code = 0;
  for (const name of names.length === 0 ? ['-'] : names) {
    if (name === '-' || name === '/dev/stdin') await copyInput(process);
    else if (name === '/dev/zero' || name === '/dev/urandom')
      for (;;) await process.io.stdout.write(process.host.files.read(name));
    else {
      const bytes = await content(process, name);
      if (bytes) await process.io.stdout.write(bytes);
      else code = 1;
    }
  }
  return code;
};

/** `head -n`, line by line, so that it ends as soon as it has enough; `head -c` reads to the end. */
const head: Program = async (process) => {
  const args = process.argv.slice(1);
  let lines = 10;
  const names: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? '';
    if (arg === '-n') lines = Number(args[++at]);
    else if (/^-n?\d+$/.test(arg)) lines = Number(arg.replace(/^-n?/, ''));
    else if (arg.startsWith('-') && arg !== '-') return runBorrowed('head', process);
    else names.push(arg);
  }
  if (names.some((name) => name !== '-') || lines < 0) return runBorrowed('head', process);
  for (let left = lines; left > 0; left--) {
    const line = await readLine(process.io.stdin, process.context);
    if (!line) break;
    await process.print(line.text + (line.terminated ? '\n' : ''));
  }
  return 0;
};

const followEveryMs = 1_000;

/** `tail`, and with `-f` or `-F` what is added to the files later. */
const tail: Program = async (process) => {
  const args = process.argv.slice(1);
  const follow = args.some((arg) => /^-[a-zA-Z]*[fF]/.test(arg) || arg === '--follow');
  if (!follow) return runBorrowed('tail', process);
  const { files } = process.host;
  const names = args.filter((arg, index) => !arg.startsWith('-') && !/^-n$/.test(args[index - 1] ?? ''));
  const count = Number(/(?:^|\s)-n\s*\+?(\d+)/.exec(args.join(' '))?.[1] ?? 10);
  if (names.length === 0) {
    await copyInput(process);
    return 0;
  }
  const seen = new Map<string, number>();
  for (const name of names) {
    const bytes = await content(process, name);
    const lines = Buffer.from(bytes ?? [])
      .toString('utf8')
      .split(/(?<=\n)/);
    await process.print(lines.slice(-count).join(''));
    seen.set(name, bytes?.length ?? 0);
  }
  for (;;) {
    await process.sleep(followEveryMs);
    for (const name of names) {
      const path = resolvePath(process.cwd, name);
      if (files.find(path)?.type !== 'file') continue;
      const bytes = files.read(path);
      const from = seen.get(name) ?? 0;
      if (bytes.length > from) await process.io.stdout.write(bytes.subarray(from));
      seen.set(name, bytes.length);
    }
  }
};

const tee: Program = async (process) => {
  const args = process.argv.slice(1);
  const append = args.includes('-a');
  const paths = args.filter((arg) => !arg.startsWith('-')).map((name) => resolvePath(process.cwd, name));
  const { files } = process.host;
  if (!append) for (const path of paths) files.write(path, new Uint8Array(0));
  const { stdin, stdout } = process.io;
  for (let chunk = await stdin.read(process.context); chunk; chunk = await stdin.read(process.context)) {
    await stdout.write(chunk);
    for (const path of paths) files.write(path, chunk, { append: true });
  }
  return 0;
};

const yes: Program = async (process) => {
  const text = encodeText(`${process.argv.slice(1).join(' ') || 'y'}\n`.repeat(512));
  const isPipe = process.io.stdout.write(text) instanceof Promise;
  for (;;) {
    await process.io.stdout.write(text);
    // Without a reader that makes it wait, it would write for ever in one turn.
    if (!isPipe) await process.sleep(10);
  }
};

const mktemp: Program = async (process) => {
  const directory = process.argv.includes('-d');
  const template = process.argv.slice(1).find((arg) => !arg.startsWith('-')) ?? '/tmp/tmp.XXXXXX';
  const path = resolvePath(
    process.cwd,
    template.replace(/X{3,}$/, (x) => process.host.random.suffix(x.length)),
  );
  if (directory) process.host.files.makeDirectory(path, { mode: 0o700 });
  else process.host.files.write(path, new Uint8Array(0), { mode: 0o600 });
  await process.print(`${path}\n`);
  return 0;
};

const realpath: Program = async (process) => {
  let code = 0;
  for (const name of process.argv.slice(1).filter((arg) => !arg.startsWith('-'))) {
    const path = resolvePath(process.cwd, name);
    if (process.host.files.find(path)) await process.print(`${process.host.files.realPath(path)}\n`);
    else {
      await process.complain(`realpath: ${name}: No such file or directory\n`);
      code = 1;
    }
  }
  return code;
};

/** Owners are not kept: every file is root's. The file must be there all the same. */
const chown: Program = async (process) => {
  const [, ...names] = process.argv.slice(1).filter((arg) => !arg.startsWith('-'));
  let code = 0;
  for (const name of names) {
    if (process.host.files.find(resolvePath(process.cwd, name))) continue;
    await process.complain(`chown: ${name}: No such file or directory\n`);
    code = 1;
  }
  return code;
};

/** `dd if= of= bs= count=`. */
const dd: Program = async (process) => {
  const operand = (name: string): string | undefined =>
    process.argv.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
  const scale: Readonly<Record<string, number>> = { '': 1, k: 1024, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };
  const size = /^(\d+)([kKMG]?)/.exec(operand('bs') ?? '512');
  const block = Number(size?.[1] ?? 512) * (scale[size?.[2] ?? ''] ?? 1);
  const count = operand('count') === undefined ? undefined : Number(operand('count'));
  const input = operand('if');
  const wanted = count === undefined ? Infinity : block * count;
  const bytes = await readBlocks(process, input, process.io.stdin, Math.min(wanted, 64 * 1024 ** 2));
  const output = operand('of');
  if (output) process.host.files.write(resolvePath(process.cwd, output), bytes);
  else await process.io.stdout.write(bytes);
  const blocks = Math.floor(bytes.length / block);
  const partial = bytes.length % block > 0 ? 1 : 0;
  await process.complain(`${blocks}+${partial} records in\n${blocks}+${partial} records out\n`);
  return 0;
};

async function readBlocks(
  process: Process,
  name: string | undefined,
  stdin: ByteInput,
  limit: number,
): Promise<Uint8Array> {
  if (name === undefined) return (await readAll(stdin, process.context)).subarray(0, limit);
  const first = await content(process, name);
  if (!first) return new Uint8Array(0);
  if (process.host.files.find(resolvePath(process.cwd, name))?.type !== 'device') return first.subarray(0, limit);
  const chunks: Uint8Array[] = [];
  for (let held = 0; held < limit && first.length > 0; held += first.length) {
    chunks.push(process.host.files.read(resolvePath(process.cwd, name)).subarray(0, limit - held));
  }
  return Buffer.concat(chunks);
}

/** `tar` leaves the leading `/` out of member names, which `kubectl cp` counts on. */
const tar: Program = async (process) => {
  const [name = 'tar', mode = '', ...rest] = process.argv;
  const creates = /^-?[a-zA-Z]*c/.test(mode) && !mode.startsWith('--');
  const operands = rest.filter(
    (arg, index) => arg.startsWith('/') && !/^-C$|^-?[a-zA-Z]*f$/.test(index === 0 ? mode : (rest[index - 1] ?? '')),
  );
  if (!creates || operands.length === 0) return runBorrowed('tar', process);
  await process.complain("tar: removing leading '/' from member names\n");
  process.argv = [name, mode, ...rest.map((arg) => (operands.includes(arg) ? arg.replace(/^\/+(?=.)/, '') : arg))];
  process.cwd = '/';
  return runBorrowed('tar', process);
};

/** Commands about files that stream, follow or need the lab. */
export const fileCommands: ReadonlyMap<string, Program> = new Map([
  ['cat', cat],
  ['head', head],
  ['ls', ls],
  ['tail', tail],
  ['tar', tar],
  ['tee', tee],
  ['yes', yes],
  ['grep', grep],
  ['egrep', grep],
  ['fgrep', grep],
  ['mktemp', mktemp],
  ['realpath', realpath],
  ['chown', chown],
  ['dd', dd],
]);
