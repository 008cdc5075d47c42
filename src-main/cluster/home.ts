import {
  accessSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { messageOf } from '#base/errors';
import { ClusterError } from './errors.ts';
import { readTextFile } from './files.ts';
import { formatIdentity, isAlive, parseIdentity, processIdentity } from './process-identity.ts';

/** Who holds a home. */
export interface HomeHolder {
  readonly pid: number;
  /** Clock ticks since boot at which that process started (Linux), so that a reused pid is not taken for it. */
  readonly startedAt: string;
}

/** `--home`, then DRYDOCK_HOME, then the platform's data directory. */
export function resolveHome(flag: string | undefined, environment: NodeJS.ProcessEnv = process.env): string {
  if (flag) return resolve(flag);
  if (environment['DRYDOCK_HOME']) return resolve(environment['DRYDOCK_HOME']);
  switch (process.platform) {
    case 'darwin':
      return join(homedir(), 'Library/Application Support/Drydock');
    case 'win32':
      return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData/Local'), 'Drydock');
    default:
      return join(environment['XDG_DATA_HOME'] ?? join(homedir(), '.local/share'), 'drydock');
  }
}

/**
 * The folder everything is kept in: `labs/<name>/` a lab, `host.lock` while a host runs, `host.json` how to reach it.
 */
export class Home {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  get labsFolder(): string {
    return join(this.path, 'labs');
  }

  get hostFile(): string {
    return join(this.path, 'host.json');
  }

  get logFile(): string {
    return join(this.path, 'host.log');
  }

  labFolder(name: string): string {
    return join(this.labsFolder, name);
  }

  /** Names of the labs that are kept here, sorted. */
  labNames(): string[] {
    if (!existsSync(this.labsFolder)) return [];
    return readdirSync(this.labsFolder)
      .filter((name) => statSync(join(this.labsFolder, name)).isDirectory())
      .sort();
  }

  /** Makes the folder when it is missing. Throws ClusterError HOME_UNWRITABLE. */
  prepare(): void {
    try {
      mkdirSync(this.labsFolder, { recursive: true, mode: 0o700 });
      accessSync(this.path, constants.W_OK);
    } catch (error) {
      throw new ClusterError(
        'HOME_UNWRITABLE',
        `cannot use ${this.path} as home: ${messageOf(error)}; name another folder with --home`,
        { cause: error },
      );
    }
  }

  /** The live process that holds this home, if there is one. */
  holder(): HomeHolder | undefined {
    return liveHolder(this.#lockFile);
  }

  /** Takes this home for the calling process. Throws ClusterError HOME_IN_USE while another live process holds it. */
  lock(): { release(): void } {
    const holder = this.holder();
    if (holder) throw this.#inUse(holder.pid);
    try {
      this.#removeStaleLock();
      const text = formatIdentity(processIdentity(process.pid));
      writeFileSync(this.#lockFile, text, { flag: 'wx', mode: 0o600 });
      // What a killed host left says how to reach nobody.
      rmSync(this.hostFile, { force: true });
    } catch (error) {
      if (error instanceof ClusterError) throw error;
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw this.#inUse(this.holder()?.pid);
      throw new ClusterError('HOME_UNWRITABLE', `cannot lock ${this.path}: ${messageOf(error)}`, { cause: error });
    }
    return {
      release: () => {
        rmSync(this.hostFile, { force: true });
        rmSync(this.#lockFile, { force: true });
      },
    };
  }

  /** Puts the file aside before it looks again: of two hosts that find the same stale lock, one may already have made its own. */
  #removeStaleLock(): void {
    if (!existsSync(this.#lockFile)) return;
    const aside = `${this.#lockFile}.${process.pid}`;
    renameSync(this.#lockFile, aside);
    const holder = liveHolder(aside);
    if (holder) linkSync(aside, this.#lockFile);
    unlinkSync(aside);
    if (holder) throw this.#inUse(holder.pid);
  }

  get #lockFile(): string {
    return join(this.path, 'host.lock');
  }

  #inUse(pid: number | undefined): ClusterError {
    const who = pid === undefined ? 'another host' : `the host with pid ${pid}`;
    return new ClusterError(
      'HOME_IN_USE',
      `${who} is running on ${this.path}; stop it with 'drydock down --home ${this.path}' or name another folder with --home`,
    );
  }
}

function liveHolder(lockFile: string): HomeHolder | undefined {
  const holder = parseIdentity(readTextFile(lockFile));
  return holder && isAlive(holder) ? holder : undefined;
}
