import type { Context } from '#base/context';
import { MachineError } from '../errors.ts';
import { SshConnection, type ConnectOptions } from './connection.ts';
import { factsScript, parseFacts, type MachineFacts } from './facts.ts';
import { collect, execAsRoot, rootAccess } from './shell.ts';
import type { SshHostKey, SshTarget } from './target.ts';

/** What "test connection" shows of a machine. */
export interface SshProbe extends MachineFacts {
  readonly hostKey: SshHostKey;
  /** `root`: the user is root. `sudo`: sudo lets the user. */
  readonly privilege: 'root' | 'sudo';
  /** Milliseconds from the first packet to the end of the login. */
  readonly connectMs: number;
}

/**
 * Connects once, looks around and leaves; changes nothing on the machine. Throws HostKeyError while the key is not trusted,
 * MachineError UNREACHABLE (refused, no route, no answer), FORBIDDEN (key, password, not root), INVALID (unusable key).
 */
export async function probeSsh(context: Context, target: SshTarget, options: ConnectOptions): Promise<SshProbe> {
  let hostKey: SshHostKey | undefined;
  const startedMs = options.clock.now();
  const connection = await SshConnection.open(context, target, { ...options, onHostKey: (key) => (hostKey = key) });
  const connectMs = options.clock.now() - startedMs;
  try {
    const access = await rootAccess(context, connection, target.user, target.sudoPassword);
    const facts = await readFacts(context, connection, (command, stdin) =>
      execAsRoot(context, connection, access, command, { stdin }),
    );
    if (!hostKey) throw new MachineError('FAILED', `${target.host} showed no host key`);
    return { ...facts, hostKey, privilege: access.isRoot ? 'root' : 'sudo', connectMs };
  } finally {
    connection.close();
  }
}

type Run = (command: readonly string[], stdin: boolean) => ReturnType<SshConnection['exec']>;

/** The address a connection came in by is known to the user's own shell only: sudo clears the environment. */
export async function readFacts(context: Context, connection: SshConnection, run: Run): Promise<MachineFacts> {
  const own = await collect(context, await connection.exec(context, 'echo "$SSH_CONNECTION"', { stdin: false }));
  const arrivedAt = own.stdout.trim().split(' ')[2] ?? '';
  const session = await run(['sh', '-s', arrivedAt], true);
  const { exitCode, stdout, stderr } = await collect(context, session, new TextEncoder().encode(factsScript));
  if (exitCode !== 0)
    throw new MachineError('FAILED', `The machine could not be examined (exit code ${exitCode}): ${stderr.trim()}`);
  return parseFacts(stdout);
}
