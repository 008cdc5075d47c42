import { existsSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join } from 'node:path';
import Dockerode from 'dockerode';
import type { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { MachineError } from '../errors.ts';
import { engineFacts, machineErrorOf } from './errors.ts';

/** Docker 20.10: the first with private cgroup namespaces. */
export const minimumApiVersion = '1.41';

export interface EngineReport {
  /** `20.10.24`. */
  readonly version: string;
  readonly apiVersion: string;
  /** `linux`; a Windows engine is refused. */
  readonly os: string;
  /** Docker's own architecture names: `amd64`, `arm64`. */
  readonly arch: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly cgroupVersion: 1 | 2;
}

/** One Docker Engine: the only place that calls `dockerode` without translating its errors is inside `call`. */
export class DockerEngine {
  readonly endpoint: string;
  readonly #docker: Dockerode;

  constructor(endpoint: string = findEndpoint()) {
    this.endpoint = endpoint;
    this.#docker = new Dockerode(optionsOf(endpoint));
  }

  /** Runs one request; whatever it throws becomes a MachineError that says what `action` could not be done. */
  async call<T>(context: Context, action: string, request: (docker: Dockerode) => Promise<T>): Promise<T> {
    context.check();
    try {
      return await request(this.#docker);
    } catch (error) {
      if (context.ended) throw new CancelledError(context.endedBy ?? 'cancelled');
      throw machineErrorOf(error, action, engineFacts(this.endpoint));
    }
  }

  /** Throws MachineError MISSING, UNREACHABLE, FORBIDDEN, TOO_OLD or UNSUPPORTED. */
  async check(context: Context): Promise<EngineReport> {
    const version = await this.call(context, 'ask Docker for its version', (docker) => docker.version());
    if (compareVersions(version.ApiVersion, minimumApiVersion) < 0) {
      throw new MachineError(
        'TOO_OLD',
        `Docker ${version.Version} speaks API ${version.ApiVersion}; Drydock needs ${minimumApiVersion} (Docker 20.10) or later: update Docker`,
      );
    }
    if (version.Os !== 'linux') {
      throw new MachineError('UNSUPPORTED', `Docker runs ${version.Os} containers: switch it to Linux containers`);
    }
    const info = (await this.call(context, 'ask Docker about its host', (docker) => docker.info())) as {
      readonly NCPU: number;
      readonly MemTotal: number;
      readonly CgroupVersion?: string;
    };
    return {
      version: version.Version,
      apiVersion: version.ApiVersion,
      os: version.Os,
      arch: version.Arch,
      cpus: info.NCPU,
      memoryBytes: info.MemTotal,
      cgroupVersion: info.CgroupVersion === '1' ? 1 : 2,
    };
  }
}

/** Negative when `a` is older. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('.').map(Number));
  for (let index = 0; index < 3; index++) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** DOCKER_HOST, the command line's current context, or the first usual socket that is there. */
function findEndpoint(): string {
  const named = process.env['DOCKER_HOST'];
  if (named) return named.replace(/^unix:\/\//, '');
  if (process.platform === 'win32') return '//./pipe/docker_engine';
  const home = homedir();
  const usual = [
    '/var/run/docker.sock',
    join(home, '.docker/run/docker.sock'),
    join(home, '.docker/desktop/docker.sock'),
    join(process.env['XDG_RUNTIME_DIR'] ?? '/nonexistent', 'docker.sock'),
    join(home, '.colima/default/docker.sock'),
  ];
  return contextEndpoint(home) ?? usual.find((path) => existsSync(path)) ?? '/var/run/docker.sock';
}

/** The engine of `docker context use`. The command line keeps each context under the SHA-256 of its name. */
function contextEndpoint(home: string): string | undefined {
  try {
    const folder = process.env['DOCKER_CONFIG'] ?? join(home, '.docker');
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as { currentContext?: unknown };
    const name = process.env['DOCKER_CONTEXT'] ?? config.currentContext;
    if (typeof name !== 'string' || name === '' || name === 'default') return undefined;
    const id = createHash('sha256').update(name).digest('hex');
    const meta = JSON.parse(readFileSync(join(folder, 'contexts/meta', id, 'meta.json'), 'utf8')) as {
      Endpoints?: { docker?: { Host?: unknown } };
    };
    const host = meta.Endpoints?.docker?.Host;
    return typeof host === 'string' ? host.replace(/^unix:\/\//, '') : undefined;
  } catch {
    // No Docker command line on this computer, or no context: the usual sockets are tried.
    return undefined;
  }
}

function optionsOf(endpoint: string): Dockerode.DockerOptions {
  const url = /^(tcp|http|https):\/\/([^:/]+):(\d+)/.exec(endpoint);
  // DOCKER_HOST with certificates (DOCKER_TLS_VERIFY) is read by dockerode itself.
  if (url && process.env['DOCKER_HOST']) return {};
  if (url) return { protocol: url[1] === 'https' ? 'https' : 'http', host: url[2] ?? '', port: url[3] ?? '' };
  return { socketPath: endpoint.replace(/^npipe:\/\//, '') };
}
