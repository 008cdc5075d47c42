import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CancelledError, messageOf } from '#base/errors';
import { MachineError } from '../errors.ts';

/** What `docker-modem` throws: a system call's code, or the engine's HTTP answer. */
export interface EngineFailure {
  readonly code: string | undefined;
  readonly statusCode: number | undefined;
  readonly message: string;
}

export function engineFailure(error: unknown): EngineFailure {
  const { code, statusCode, json } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown;
    statusCode?: unknown;
    json?: { message?: unknown } | null;
  };
  const told = json?.message;
  return {
    code: typeof code === 'string' ? code : undefined,
    statusCode: typeof statusCode === 'number' ? statusCode : undefined,
    message: typeof told === 'string' ? told : messageOf(error),
  };
}

/** What is true of this computer, for the advice in an error. */
export interface EngineFacts {
  /** Where the engine should listen: `/var/run/docker.sock`, `tcp://…`. */
  readonly endpoint: string;
  readonly installed: boolean;
  /** The group that owns the socket. */
  readonly group: string | undefined;
}

/**
 * One clear line for anything the engine or its socket can fail with. `action` is what was tried: `create the network`. The
 * engine's API names no reasons beside HTTP codes, so full disks and address clashes are known by its texts.
 */
export function machineErrorOf(error: unknown, action: string, facts: EngineFacts): MachineError | CancelledError {
  if (error instanceof MachineError || error instanceof CancelledError) return error;
  const failure = engineFailure(error);
  const cause = { cause: error };
  switch (failure.code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
      return facts.installed
        ? new MachineError(
            'UNREACHABLE',
            `Docker is installed but does not run (${facts.endpoint}): start it with "sudo systemctl start docker", or open Docker Desktop`,
            cause,
          )
        : new MachineError(
            'MISSING',
            `Docker was not found (${facts.endpoint}): install Docker Engine (Debian and Ubuntu: "sudo apt-get install docker.io") or Docker Desktop`,
            cause,
          );
    case 'EACCES':
    case 'EPERM': {
      const group = facts.group ?? 'docker';
      return new MachineError(
        'FORBIDDEN',
        `your user may not use Docker's socket ${facts.endpoint}: add it to the group ${group} with "sudo usermod -aG ${group} $USER", then log in again`,
        cause,
      );
    }
    case 'ECONNRESET':
    case 'EPIPE':
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
      return new MachineError(
        'UNREACHABLE',
        `cannot ${action}: the connection to Docker broke (${failure.code})`,
        cause,
      );
    default:
      return answered(failure, action, cause);
  }
}

function answered(failure: EngineFailure, action: string, cause: { readonly cause: unknown }): MachineError {
  const text = failure.message.trim();
  if (failure.code === 'ENOSPC' || /no space left on device/i.test(text)) {
    return new MachineError(
      'NO_SPACE',
      `cannot ${action}: the disk of Docker's files is full; free some space, for example with "docker system prune"`,
      cause,
    );
  }
  if (/pool overlaps|non-overlapping IPv4 address pool|address already in use|already allocated/i.test(text)) {
    return new MachineError(
      'ADDRESS_CLASH',
      `cannot ${action}: its addresses are in use (${text}); remove the network that has them ("docker network ls") or choose another subnet for the lab`,
      cause,
    );
  }
  return new MachineError('FAILED', `cannot ${action}: ${text}`, cause);
}

/** Looked at only once something failed. */
export function engineFacts(endpoint: string): EngineFacts {
  const path = endpoint.startsWith('/') ? endpoint : undefined;
  return { endpoint, installed: onPath('dockerd') || onPath('docker'), group: path && groupOf(path) };
}

function onPath(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function groupOf(path: string): string | undefined {
  try {
    const gid = String(statSync(path).gid);
    const line = readFileSync('/etc/group', 'utf8')
      .split('\n')
      .find((entry) => entry.split(':')[2] === gid);
    return line?.split(':')[0];
  } catch {
    // No socket or no /etc/group: the advice then names Docker's usual group.
    return undefined;
  }
}
