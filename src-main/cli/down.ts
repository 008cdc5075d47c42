import { rmSync } from 'node:fs';
import { isStatus } from '#api/machinery/status';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { ClusterError } from '#cluster/errors';
import type { Home } from '#cluster/home';
import { removeFromKubeconfig } from '#cluster/kubeconfig';
import { loadLabConfig } from '#cluster/lab-config';
import { readHostAccess } from '#host/open-host';
import { withHost } from './host-access.ts';

const shutdownTimeoutMs = 30_000;

/** Stops a lab, and its headless host when that was the last one. Says what was done. Throws ClusterError, StatusError. */
export async function down(home: Home, lab: string, remove: boolean): Promise<string> {
  const known = home.labNames().includes(lab);
  if (!known) throw new ClusterError('LAB_MISSING', `there is no lab ${lab} in ${home.path}`);
  const access = readHostAccess(home);
  const wasRunning = await withHost(home, async (host) => {
    const before = (await host.call('labs.list', {})).find((one) => one.name === lab)?.phase;
    await host.call(remove ? 'lab.delete' : 'lab.stop', { lab }).catch((error: unknown) => {
      // A headless host ends with its last lab, sometimes before it could say that it is done.
      if (!isStatus(error, 'ServiceUnavailable')) throw error;
    });
    return before !== 'stopped' && before !== 'failed';
  });
  if (wasRunning === undefined && remove) deleteFolder(home, lab);
  if (access?.kind === 'headless') await waitForHost(home, access.pid);
  if (remove) return `lab ${lab} deleted`;
  return wasRunning
    ? `lab ${lab} stopped; 'drydock up --name ${lab}' brings everything back`
    : `lab ${lab} is not running`;
}

function deleteFolder(home: Home, lab: string): void {
  const config = readableConfig(home, lab);
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

/** A headless host ends by itself when its lab is down; the app stays. */
async function waitForHost(home: Home, pid: number): Promise<void> {
  const clock = new RealClock();
  const { context, cancel } = Context.background().withTimeout(clock, shutdownTimeoutMs);
  try {
    while (home.holder()?.pid === pid) await clock.sleep(context, 30);
  } finally {
    cancel();
  }
}
