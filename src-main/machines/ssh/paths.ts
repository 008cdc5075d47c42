import { machinePaths, runtimeLayout } from '../machine.ts';

/** Where things of ours lie on a machine reached by SSH. */
export const sshPaths = {
  ...machinePaths,
  ...runtimeLayout('ssh'),
  agentScript: '/opt/drydock/agent.sh',
  unit: '/etc/systemd/system/drydock-agent.service',
  /** What `prepare` found and added, for `remove`. */
  record: '/var/lib/drydock/installed.json',
} as const;

/** The port on the machine's 127.0.0.1 that leads to the API server. */
export const defaultApiPort = 16443;
