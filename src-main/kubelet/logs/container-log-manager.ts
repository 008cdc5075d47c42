import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { CriError, type RuntimeService } from '#cri/cri';
import type { LogFiles } from './log-files.ts';

export interface LogRotatePolicy {
  /** A log of this many bytes is rotated. */
  readonly maxSizeBytes: number;
  /** Files a container, the one being written among them; at least 2. */
  readonly maxFiles: number;
}

/** `containerLogMaxSize` and `containerLogMaxFiles` of KubeletConfiguration, release 1.36. */
const defaultPolicy: LogRotatePolicy = { maxSizeBytes: 10 * 1024 ** 2, maxFiles: 5 };

/** `containerLogMonitorInterval`. */
const intervalMs = 10_000;

export interface ContainerLogManagerOptions {
  readonly runtime: Pick<RuntimeService, 'listContainers' | 'containerStatus' | 'reopenContainerLog'>;
  readonly files: LogFiles;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly policy?: LogRotatePolicy;
}

/**
 * Keeps the logs of running containers from filling the disk (pkg/kubelet/logs/container_log_manager.go, release 1.36):
 *
 *     0.log                       being written
 *     0.log.20260102-030405       rotated last: as it was, so that followers can finish it
 *     0.log.20260102-025911.gz    before that; the oldest goes when there are too many
 */
export class ContainerLogManager {
  readonly #options: ContainerLogManagerOptions;
  readonly #policy: LogRotatePolicy;
  /** By container id: a log's path never changes. Undefined where the runtime keeps no file. */
  readonly #paths = new Map<string, string | undefined>();

  constructor(options: ContainerLogManagerOptions) {
    this.#options = options;
    this.#policy = options.policy ?? defaultPolicy;
  }

  /** Rotates until `context` ends, then throws CancelledError. */
  async run(context: Context): Promise<never> {
    for (;;) {
      await this.#options.clock.sleep(context, intervalMs);
      try {
        await this.rotateLogs(context);
      } catch (error) {
        if (error instanceof CancelledError) throw error;
        this.#options.logger.warn('container logs are not rotated', { error: messageOf(error) });
      }
    }
  }

  /** Looks at every running container once. A log that cannot be rotated is logged and tried again the next time. */
  async rotateLogs(context: Context): Promise<void> {
    const { runtime, logger } = this.#options;
    const containers = await runtime.listContainers(context);
    const running = containers.filter(({ state }) => state === 'CONTAINER_RUNNING').map(({ id }) => id);
    for (const id of this.#paths.keys()) if (!running.includes(id)) this.#paths.delete(id);
    for (const id of running) {
      try {
        const path = await this.#path(context, id);
        if (path !== undefined) await this.#rotateIfNeeded(context, id, path);
      } catch (error) {
        if (error instanceof CancelledError) throw error;
        if (error instanceof CriError && error.code === 'NotFound') continue;
        logger.warn('the log of a container is not rotated', { containerId: id, error: messageOf(error) });
      }
    }
  }

  async #path(context: Context, id: string): Promise<string | undefined> {
    if (!this.#paths.has(id)) this.#paths.set(id, (await this.#options.runtime.containerStatus(context, id)).logPath);
    return this.#paths.get(id);
  }

  async #rotateIfNeeded(context: Context, id: string, path: string): Promise<void> {
    const { runtime, files } = this.#options;
    const size = await files.size(path);
    // An earlier kubelet renamed it and ended before the runtime was told.
    if (size === undefined) return runtime.reopenContainerLog(context, id);
    if (size < this.#policy.maxSizeBytes) return;
    const kept = await this.#removeExcess(await this.#removeUnused(await this.#rotated(path)));
    for (const old of kept) if (!old.endsWith(compressed)) await this.#compress(old);
    await this.#rotateLatest(context, id, path);
  }

  /** What rotation has made of a log, oldest first. */
  async #rotated(path: string): Promise<readonly string[]> {
    const slash = path.lastIndexOf('/');
    const names = await this.#options.files.list(path.slice(0, slash));
    const prefix = path.slice(slash + 1);
    return names
      .filter((name) => name.startsWith(`${prefix}.`))
      .sort()
      .map((name) => `${path.slice(0, slash)}/${name}`);
  }

  /** Removes what a compression that was cut short has left, and what is there compressed as well. */
  async #removeUnused(logs: readonly string[]): Promise<readonly string[]> {
    const all = new Set(logs);
    const unused = logs.filter((log) => log.endsWith(temporary) || all.has(`${log}${compressed}`));
    for (const log of unused) await this.#options.files.remove(log);
    return logs.filter((log) => !unused.includes(log));
  }

  /** Makes room for the one that is rotated next and the one that is written then. */
  async #removeExcess(logs: readonly string[]): Promise<readonly string[]> {
    const excess = Math.max(0, logs.length - Math.max(0, this.#policy.maxFiles - 2));
    for (const log of logs.slice(0, excess)) await this.#options.files.remove(log);
    return logs.slice(excess);
  }

  async #compress(log: string): Promise<void> {
    const { files } = this.#options;
    await files.compress(log, `${log}${temporary}`);
    await files.rename(`${log}${temporary}`, `${log}${compressed}`);
    await files.remove(log);
  }

  async #rotateLatest(context: Context, id: string, path: string): Promise<void> {
    const { runtime, files, clock, logger } = this.#options;
    const rotated = `${path}.${timestamp(clock.now())}`;
    await files.rename(path, rotated);
    try {
      await runtime.reopenContainerLog(context, id);
    } catch (error) {
      // The container still writes there: under its own name it is rotated again the next time.
      await files.rename(rotated, path);
      throw error;
    }
    logger.debug('rotated the log of a container', { containerId: id, log: rotated });
  }
}

const compressed = '.gz';
const temporary = '.tmp';

/** `20260102-030405`, in UTC: names sort by age. */
function timestamp(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
}
