import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import type { Home } from '#cluster/home';
import { ClusterError } from '#cluster/errors';
import { ControlClient } from '#host/control-client';
import { readHostAccess } from '#host/open-host';

/** How long a host that was killed may take to be gone: the kernel takes back its memory first. */
const endingMs = 5_000;
const lookEveryMs = 50;

/** Runs `work` against the host that holds `home`; undefined when none does. */
export async function withHost<T>(home: Home, work: (host: ControlClient) => Promise<T>): Promise<T | undefined> {
  const client = await connectToHost(home);
  if (!client) return undefined;
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

async function connectToHost(home: Home): Promise<ControlClient | undefined> {
  const access = readHostAccess(home);
  if (!access) return undefined;
  try {
    return await ControlClient.connect(access);
  } catch (cause) {
    if (await gone(home, access.pid)) return undefined;
    const text = `the host with pid ${access.pid} holds ${home.path} but does not answer; wait a moment, or end that process`;
    throw new ClusterError('TIMEOUT', text, { cause });
  }
}

/** Whether the process that holds `home`, and no longer listens, is merely not quite dead. */
async function gone(home: Home, pid: number): Promise<boolean> {
  const clock = new RealClock();
  const { context, cancel } = Context.background().withTimeout(clock, endingMs);
  try {
    while (home.holder()?.pid === pid) await clock.sleep(context, lookEveryMs);
    return true;
  } catch (error) {
    if (error instanceof CancelledError) return false;
    throw error;
  } finally {
    cancel();
  }
}

/** As `withHost`, for commands that make sense only while the lab runs. */
export async function withRunningHost<T>(
  home: Home,
  lab: string,
  work: (host: ControlClient) => Promise<T>,
): Promise<T> {
  const result = await withHost(home, async (host) => ({ value: await work(host) }));
  if (result) return result.value;
  const hint = home.labNames().includes(lab)
    ? `start it with 'drydock up --name ${lab}'`
    : `create it with 'drydock up --name ${lab}'`;
  throw new ClusterError('LAB_STOPPED', `lab ${lab} is not running in ${home.path}; ${hint}`);
}
