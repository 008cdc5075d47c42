import type { Home } from '#cluster/home';
import { ClusterError } from '#cluster/errors';
import { ControlClient } from '#host/control-client';
import { readHostAccess } from '#host/open-host';

/** Runs `work` against the host that holds `home`; undefined when none does. */
export async function withHost<T>(home: Home, work: (host: ControlClient) => Promise<T>): Promise<T | undefined> {
  const access = readHostAccess(home);
  if (!access) return undefined;
  const client = await ControlClient.connect(access).catch((error: unknown) => {
    throw new ClusterError(
      'TIMEOUT',
      `the host with pid ${access.pid} holds ${home.path} but does not answer; wait a moment, or end that process`,
      { cause: error },
    );
  });
  try {
    return await work(client);
  } finally {
    client.close();
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
