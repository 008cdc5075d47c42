import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { RealClock } from '#base/clock';
import type { Logger } from '#base/logger';
import { readJsonFile, writeFileAtomic } from '#cluster/files';
import { Home } from '#cluster/home';
import { startLab } from '#cluster/start-lab';
import { ControlServer } from './control-server.ts';
import type { ContractHandlers, Host } from './handlers.ts';
import { createLabHandlers } from './lab-handlers.ts';
import { Drivers, type Installation } from './drivers.ts';
import { Labs } from './labs.ts';
import { ExecSessions } from './pod-streams.ts';
import { SettingsFile } from './settings-file.ts';
import { Tasks } from './tasks.ts';

/** The version of package.json, put in at build time. */
declare const __DRYDOCK_VERSION__: string;
export const version = typeof __DRYDOCK_VERSION__ === 'string' ? __DRYDOCK_VERSION__ : '0.0.0-source';

/** How the command line reaches a running host: `host.json`, readable by the user only. */
export interface HostAccess {
  readonly pid: number;
  readonly port: number;
  readonly token: string;
  /** A headless host ends with its last lab; the desktop app stays. */
  readonly kind: HostKind;
}

export type HostKind = 'headless' | 'desktop';

/** A home that this process holds, with the labs in it. */
export interface OpenHost extends Host {
  readonly home: Home;
  readonly labs: Labs;
  readonly handlers: ContractHandlers;
  /** Tells where the UI is served, for `drydock status`. */
  announceUi(url: () => string): void;
}

/** Takes a home and serves it. Throws ClusterError HOME_IN_USE, HOME_DAMAGED or HOME_UNWRITABLE, changing nothing. */
export async function openHost(
  path: string,
  kind: HostKind,
  logger: Logger,
  installation: Installation,
): Promise<OpenHost> {
  const clock = new RealClock();
  const home = new Home(path);
  home.prepare();
  const lock = home.lock();
  try {
    const drivers = new Drivers({ home, clock, logger, installation });
    const labs = new Labs({
      home,
      clock,
      logger,
      start: (context, options) => startLab(context, { ...options, drivers, clock, logger }),
      remove: (config, options) => drivers.removeLab(config, options),
    });
    const settings = new SettingsFile(join(path, 'settings.json'));
    let uiUrl: (() => string) | undefined;
    const handlers = createLabHandlers({
      ...{ labs, home, settings, clock, logger, version },
      tasks: new Tasks(clock),
      sessions: new ExecSessions(randomUUID),
      drivers,
      uiUrl: () => uiUrl?.(),
    });
    const control = new ControlServer({ handlers, clock, logger });
    const access: HostAccess = { pid: process.pid, port: await control.listen(), token: control.token, kind };
    writeFileAtomic(home.hostFile, JSON.stringify(access));
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      await labs.stopAll();
      drivers.close();
      await control.close();
      lock.release();
    };
    const announceUi = (url: () => string): void => {
      uiUrl = url;
    };
    return { home, labs, handlers, announceUi, stop: () => (stopping ??= stop()) };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** How to reach the host that holds `home`; undefined when none does. */
export function readHostAccess(home: Home): HostAccess | undefined {
  if (!home.holder()) return undefined;
  return readJsonFile(home.hostFile, (value) => {
    const { pid, port, token, kind } = value as Partial<HostAccess>;
    if (typeof pid !== 'number' || typeof port !== 'number' || typeof token !== 'string')
      throw new Error('it does not say how to reach the host');
    return { pid, port, token, kind: kind === 'desktop' ? kind : 'headless' };
  });
}
