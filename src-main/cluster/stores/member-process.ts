import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, openSync, closeSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock';
import { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { readTextFile, writeFileAtomic } from '../files.ts';
import { formatIdentity, isAlive, parseIdentity, processIdentity } from '../process-identity.ts';

export interface MemberProcessOptions {
  readonly name: string;
  /** Path of etcd, and its flags. */
  readonly program: string;
  readonly args: readonly string[];
  /** What it keeps, its log and the file with its process id are here. */
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** It ended, whoever ended it. `why` is a sentence. */
  readonly onExit: (why: string) => void;
}

const stopMs = 1_000;

/**
 * One etcd as a process of its own, in a session of its own so that Ctrl-C in a terminal is not for it. It does not outlive this
 * process: a shell waits on a pipe for our end and then kills it. Should that fail too, the file with its id names it to
 * {@link endOrphan} of the next start.
 */
export class MemberProcess {
  readonly #options: MemberProcessOptions;
  readonly #exited: Promise<void>;
  #child: ChildProcess | undefined;

  /** Throws Error when it cannot be started at all. */
  constructor(options: MemberProcessOptions) {
    this.#options = options;
    const { program, args, folder } = options;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const log = openSync(logOf(folder), 'w', 0o600);
    const child = spawn(program, args, { stdio: ['ignore', log, log], detached: true, cwd: folder });
    closeSync(log);
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      const over = (why: string): void => {
        if (this.#child !== child) return;
        this.#child = undefined;
        reaper?.stdin?.end('over\n');
        rmSync(pidFileOf(folder), { force: true });
        options.onExit(why);
        resolve();
      };
      child.once('error', (error) => over(messageOf(error)));
      child.once('exit', (code, signal) =>
        over(signal ? `it was ended by ${signal}` : `it ended with code ${code ?? 0}`),
      );
    });
    const reaper = child.pid === undefined ? undefined : this.#watchOver(child.pid);
    child.unref();
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /** SIGTERM, then SIGKILL. */
  async stop(): Promise<void> {
    const { clock } = this.#options;
    this.#child?.kill('SIGTERM');
    const limit = clock.setTimer(stopMs, () => this.kill());
    if (this.#child) await this.#exited;
    limit.dispose();
  }

  /** As pulling its plug. */
  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** The last thing it said, for the person who wonders why it ended. */
  lastWords(): string {
    return lastWordsIn(readTextFile(logOf(this.#options.folder)) ?? '');
  }

  #watchOver(pid: number): ChildProcess {
    const { folder, logger } = this.#options;
    writeFileAtomic(pidFileOf(folder), formatIdentity(processIdentity(pid)));
    // `read` ends with "over" when the member is gone, and with nothing when this process is.
    const script = 'read -r word; [ "$word" = over ] || kill -9 "$0" 2>/dev/null';
    const reaper = spawn('sh', ['-c', script, String(pid)], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    reaper.on('error', (error) => logger.warn('an etcd member may outlive Drydock', { error: messageOf(error) }));
    reaper.stdin.on('error', () => {});
    reaper.unref();
    return reaper;
  }
}

/** Ends the member that a killed host left behind. */
export async function endOrphan(folder: string, clock: Clock, logger: Logger): Promise<void> {
  const file = pidFileOf(folder);
  const orphan = parseIdentity(readTextFile(file));
  if (orphan && isAlive(orphan)) {
    logger.info('an etcd member of a host that was killed is ended', { pid: orphan.pid });
    process.kill(orphan.pid, 'SIGKILL');
    while (isAlive(orphan)) await clock.sleep(Context.background(), 20);
  }
  rmSync(file, { force: true });
}

function pidFileOf(folder: string): string {
  return join(folder, 'pid');
}

function logOf(folder: string): string {
  return join(folder, 'etcd.log');
}

/** etcd writes one JSON object a line. */
function lastWordsIn(log: string): string {
  const last = log.trimEnd().split('\n').at(-1) ?? '';
  try {
    const { msg, error } = JSON.parse(last) as { msg?: unknown; error?: unknown };
    return [msg, error].filter((one) => typeof one === 'string').join(': ');
  } catch {
    return last;
  }
}
