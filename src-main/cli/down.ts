import { rmSync } from 'node:fs';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import type { Logger } from '#base/logger';
import { ClusterError } from '#cluster/errors';
import type { Home } from '#cluster/home';
import { removeFromKubeconfig } from '#cluster/kubeconfig';
import { loadLabConfig } from '#cluster/lab-config';
import type { Lab } from '#contract/labs';
import { Drivers, type Installation } from '#host/drivers';
import { readHostAccess } from '#host/open-host';
import { withHost } from './host-access.ts';

const shutdownTimeoutMs = 30_000;

/** What a host said while it stopped a lab. */
interface Stopped {
  readonly wasRunning: boolean;
  /** Whether other labs of the host go on. */
  readonly othersRun: boolean;
}

/** Stops a lab, and its headless host when no other lab runs there. Says what was done. Throws ClusterError, MachineError, StatusError. */
export async function down(
  home: Home,
  lab: string,
  remove: 'keep' | 'delete' | 'force',
  installation: Installation,
  logger: Logger,
): Promise<string> {
  const known = home.labNames().includes(lab);
  if (!known) throw new ClusterError('LAB_MISSING', `there is no lab ${lab} in ${home.path}`);
  const access = readHostAccess(home);
  const stopped = await withHost(home, async (host): Promise<Stopped> => {
    const before = await host.call('labs.list', {});
    await (remove === 'keep'
      ? host.call('lab.stop', { lab })
      : host.call('lab.delete', { lab, force: remove === 'force' }));
    const after = await host.call('labs.list', {});
    return { wasRunning: before.some((one) => one.name === lab && isActive(one)), othersRun: after.some(isActive) };
  });
  if (!stopped && remove !== 'keep')
    await deleteStopped(
      home,
      lab,
      remove === 'force',
      new Drivers({ home, clock: new RealClock(), logger, installation }),
    );
  if (stopped && !stopped.othersRun && access?.kind === 'headless') await endHost(home, access.pid);
  if (remove !== 'keep') return `lab ${lab} deleted`;
  return stopped?.wasRunning
    ? `lab ${lab} stopped; 'drydock up --name ${lab}' brings everything back`
    : `lab ${lab} is not running`;
}

function isActive(lab: Lab): boolean {
  return lab.phase !== 'stopped' && lab.phase !== 'failed';
}

/** No host runs: what the lab has outside its folder goes first, so that a failure loses nothing that says where it is. */
async function deleteStopped(home: Home, lab: string, force: boolean, drivers: Drivers): Promise<void> {
  const config = readableConfig(home, lab);
  try {
    if (config) await drivers.removeLab(config, { force });
  } finally {
    drivers.close();
  }
  for (const path of config?.kubeconfigs ?? []) removeFromKubeconfig(path, `drydock-${lab}`);
  rmSync(home.labFolder(lab), { recursive: true, force: true });
}

/** A lab whose file is damaged can still be deleted. */
function readableConfig(home: Home, lab: string): ReturnType<typeof loadLabConfig> {
  try {
    return loadLabConfig(home.labFolder(lab));
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'HOME_DAMAGED') return undefined;
    throw error;
  }
}

/** A headless host has nothing to do without labs; the app stays. */
async function endHost(home: Home, pid: number): Promise<void> {
  const clock = new RealClock();
  const { context, cancel } = Context.background().withTimeout(clock, shutdownTimeoutMs);
  try {
    if (home.holder()?.pid === pid) process.kill(pid, 'SIGTERM');
    while (home.holder()?.pid === pid) await clock.sleep(context, 30);
  } finally {
    cancel();
  }
}
