import { readFileSync } from 'node:fs';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import { HttpsTransport } from '#client/https-transport';
import { machinePaths } from '#machines/machine';
import type { AgentConfig, ClientKeyPair } from './agent-config.ts';

/** What every process of the agent is given. */
export interface AgentProcessOptions {
  /** Reading it throws where there is none: in a pod. */
  readonly config: AgentConfig;
  /** Arguments after the process's name. */
  readonly args: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  /** Lines go to stderr, which the supervisor keeps in `/var/log/drydock/<process>.log`. */
  readonly logger: Logger;
}

/** Runs until `life` ends, which SIGTERM does; then stops in order. A throw ends the process with code 1. */
export type AgentProcess = (life: Context, options: AgentProcessOptions) => Promise<void>;

/** Throws when the file is missing or not ours. */
export function readAgentConfig(path: string = machinePaths.agentConfig): AgentConfig {
  const config = JSON.parse(readFileSync(path, 'utf8')) as AgentConfig;
  if (config.formatVersion !== 1) throw new Error(`${path}: formatVersion ${String(config.formatVersion)} is not 1`);
  return config;
}

/** The API server as one process of this node reaches it: through the node's own relay. */
export function apiTransport(config: AgentConfig, credentials: ClientKeyPair, program: string): HttpsTransport {
  const { ip, port } = config.apiAddress;
  return new HttpsTransport({
    server: `https://${ip}:${port}`,
    ca: config.caCertificate,
    credentials: { cert: credentials.certificate, key: credentials.key },
    userAgent: `${program}/${config.kubernetesVersion} (linux/amd64) drydock`,
  });
}
