import { randomBytes } from 'node:crypto';
import { AsyncQueue } from '#base/async-queue';
import type { Context } from '#base/context';
import type { ExecSession } from '#base/streams';
import { MachineError } from '../errors.ts';
import type { SshConnection } from './connection.ts';

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

/** Debian leaves these out of a plain user's search path. */
const searchPath = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Runs `command` as root. Throws MachineError FORBIDDEN, with what to do, when the user is not root and sudo does not let them.
 */
export async function execAsRoot(
  context: Context,
  connection: SshConnection,
  access: RootAccess,
  command: readonly string[],
  options: { readonly stdin: boolean },
): Promise<ExecSession> {
  const line = ['env', searchPath, ...command].map(shellQuote).join(' ');
  if (access.isRoot) return connection.exec(context, line, options);
  const mark = `drydock-${randomBytes(8).toString('hex')}`;
  const prompt = `${mark}-password`;
  const started = `${mark}-started`;
  const inner = `printf %s ${started} >&2; exec ${line}`;
  const sudo = ['sudo', '-S', '-p', prompt, '--', 'sh', '-c', inner].map(shellQuote).join(' ');
  const session = await connection.exec(context, `LC_ALL=C ${sudo}`, { stdin: true });
  return passSudo(session, access, { prompt, started }, options);
}

/**
 * sudo asks on stderr, if it asks at all: only then is the password written, so that it never ends up in the command's
 * standard input. What is printed before the command started is sudo's and is not passed on.
 */
async function passSudo(
  session: ExecSession,
  access: RootAccess,
  marks: { readonly prompt: string; readonly started: string },
  options: { readonly stdin: boolean },
): Promise<ExecSession> {
  const reader = session.stderr[Symbol.asyncIterator]();
  const decoder = new TextDecoder('latin1');
  let seen = '';
  let asked = 0;
  const refuse = (why: string): MachineError => {
    session.close();
    return new MachineError('FORBIDDEN', `${access.user} cannot become root: ${why}`);
  };
  for (;;) {
    const { done, value } = await reader.next();
    if (done) throw refuse(seen.trim().split('\n').at(-1) ?? 'sudo ended');
    seen += decoder.decode(value, { stream: true });
    if (seen.includes(marks.started)) break;
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
