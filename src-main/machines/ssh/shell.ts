import { randomBytes } from 'node:crypto';
import { AsyncQueue } from '#base/async-queue';
import type { Context } from '#base/context';
import type { ExecSession } from '#base/streams';
import { MachineError } from '../errors.ts';
import type { SshConnection } from './connection.ts';
import { sshPaths } from './paths.ts';

/** One word for a POSIX shell. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_/.:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Kept of what a command prints on one stream; the rest is read and dropped. */
const outputLimit = 8 * 1024 * 1024;

/** Feeds `input` to the session and reads it to its end. `onLine` sees each line of stdout as it comes. */
export async function collect(
  context: Context,
  session: ExecSession,
  input?: Uint8Array,
  onLine?: (line: string) => void,
): Promise<CommandResult> {
  const ending = context.onEnd(() => session.close());
  try {
    const [stdout, stderr] = await Promise.all([
      readText(session.stdout, onLine),
      readText(session.stderr),
      feed(session, input),
    ]);
    const { exitCode } = await session.exit;
    context.check();
    return { exitCode, stdout, stderr };
  } catch (error) {
    context.check();
    throw error;
  } finally {
    ending.dispose();
  }
}

async function feed(session: ExecSession, input: Uint8Array | undefined): Promise<void> {
  const { stdin } = session;
  if (!stdin) return;
  try {
    const sliceBytes = 128 * 1024;
    for (let at = 0; input && at < input.byteLength; at += sliceBytes)
      await stdin.write(input.subarray(at, at + sliceBytes));
    stdin.end();
  } catch (error) {
    // A command may end without having read everything; its exit code tells.
    await session.exit.catch(() => {
      throw error;
    });
  }
}

async function readText(source: AsyncIterable<Uint8Array>, onLine?: (line: string) => void): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let partial = '';
  for await (const chunk of source) {
    const piece = decoder.decode(chunk, { stream: true });
    if (text.length < outputLimit) text += piece;
    if (!onLine) continue;
    const lines = (partial + piece).split('\n');
    partial = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  }
  if (onLine && partial !== '') onLine(partial);
  return text;
}

/** How commands become root's on one machine: the user is root, or sudo, with a password or without. */
export interface RootAccess {
  readonly user: string;
  readonly isRoot: boolean;
  readonly sudoPassword: string | undefined;
}

/** Asks the machine who the user is there. */
export async function rootAccess(
  context: Context,
  connection: SshConnection,
  user: string,
  sudoPassword: string | undefined,
): Promise<RootAccess> {
  const { stdout } = await collect(context, await connection.exec(context, 'id -u', { stdin: false }));
  return { user, isRoot: stdout.trim() === '0', sudoPassword };
}

/** Debian leaves sbin out of a plain user's search path. `ctr` finds our containerd by its variable. */
const environment = [
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  `CONTAINERD_ADDRESS=${sshPaths.socket}`,
];

/** Words on standard error that no program prints by chance. */
interface Marks {
  readonly prompt: string;
  readonly missing: string;
  readonly started: string;
}

/**
 * Runs `command` as root. Throws MachineError FORBIDDEN, with what to do, when the user is not root and sudo does not let them,
 * and MISSING when the machine has no such program.
 */
export async function execAsRoot(
  context: Context,
  connection: SshConnection,
  access: RootAccess,
  command: readonly string[],
  options: { readonly stdin: boolean },
): Promise<ExecSession> {
  const mark = `drydock-${randomBytes(8).toString('hex')}`;
  const marks = { prompt: `${mark}-password`, missing: `${mark}-missing`, started: `${mark}-started` };
  const launcher =
    `command -v "$1" >/dev/null 2>&1 || { printf ${marks.missing} >&2; exit 127; }; ` +
    `printf ${marks.started} >&2; exec "$@"`;
  const sudo = access.isRoot ? [] : ['sudo', '-S', '-p', marks.prompt, '--'];
  const line = [...sudo, 'env', ...environment, 'sh', '-c', launcher, 'sh', ...command].map(shellQuote).join(' ');
  const session = await connection.exec(context, `LC_ALL=C ${line}`, { stdin: true });
  const ending = context.onEnd(() => session.close());
  try {
    return await awaitStart(session, access, marks, { ...options, program: command[0] ?? '' });
  } catch (error) {
    context.check();
    throw error;
  } finally {
    ending.dispose();
  }
}

/**
 * sudo asks on stderr, if it asks at all: only then is the password written, so that it never ends up in the command's
 * standard input. What is printed before the command started is sudo's and is not passed on.
 */
async function awaitStart(
  session: ExecSession,
  access: RootAccess,
  marks: Marks,
  options: { readonly stdin: boolean; readonly program: string },
): Promise<ExecSession> {
  const reader = session.stderr[Symbol.asyncIterator]();
  // Every byte is a character, so that what follows a mark can be passed on as it came.
  let seen = '';
  let asked = 0;
  const refuse = (why: string): MachineError => {
    session.close();
    return new MachineError('FORBIDDEN', `${access.user} cannot become root: ${why}`);
  };
  while (!seen.includes(marks.started)) {
    const { done, value } = await reader.next();
    if (done) throw await notStarted(session, access, seen);
    seen += Buffer.from(value).toString('latin1');
    if (seen.includes(marks.missing))
      throw new MachineError('MISSING', `The machine has no program ${options.program}`);
    if (!seen.includes(marks.prompt)) continue;
    seen = '';
    asked++;
    if (access.sudoPassword === undefined) throw refuse('sudo asks for a password: give it, or allow sudo without one');
    if (asked > 1) throw refuse('sudo does not accept the password');
    await session.stdin?.write(new TextEncoder().encode(`${access.sudoPassword}\n`));
  }
  if (!options.stdin) session.stdin?.end();
  const rest = Buffer.from(seen.slice(seen.indexOf(marks.started) + marks.started.length), 'latin1');
  return { ...session, stdin: options.stdin ? session.stdin : undefined, stderr: prepend(rest, reader) };
}

async function notStarted(session: ExecSession, access: RootAccess, said: string): Promise<unknown> {
  // A lost connection says so itself.
  const lost = await session.exit.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (lost !== undefined) return lost;
  const words = said.trim().split('\n').at(-1) || 'its shell ended at once';
  return access.isRoot
    ? new MachineError('FAILED', `Commands do not run on the machine: ${words}`)
    : new MachineError('FORBIDDEN', `${access.user} cannot become root: ${words}`);
}

function prepend(first: Uint8Array, reader: AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  const head = new AsyncQueue<Uint8Array>();
  if (first.byteLength > 0) head.push(first);
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const value = head.shift();
        return value ? { done: false, value } : reader.next();
      },
    }),
  };
}
