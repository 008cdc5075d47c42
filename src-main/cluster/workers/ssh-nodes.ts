import { connect } from 'node:net';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { ByteStream } from '#base/streams';
import { runtimeLayout } from '#machines/machine';
import { SshMachine } from '#machines/ssh/machine';
import { byteStreamOf, relay } from '#streaming/byte-streams';
import type { WorkerConfig } from '../lab-config.ts';
import type { ClusterPki } from '../pki.ts';
import { loadSshSecrets, type SshMachineConfig } from '../ssh-config.ts';
import { fromHome, sshTargetOf, trustedKeysOf } from '../ssh-target.ts';
import { agentFiles } from './agent-files.ts';
import { kubeletPort, RemoteWorker } from './remote-worker.ts';

export interface SshNodesOptions {
  /** The lab's folder: secrets of its machines lie there. */
  readonly folder: string;
  readonly pki: ClusterPki;
  /** Path of `out/agent/node-agent.cjs`. */
  readonly agentBundle: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Of the API servers' one address, on 127.0.0.1. */
  readonly apiPort: number;
  readonly bootstrapToken: (context: Context) => Promise<string>;
}

/** The SSH side of one running lab: its workers on machines that are reached by SSH. */
export class SshNodes {
  readonly #options: SshNodesOptions;

  constructor(options: SshNodesOptions) {
    this.#options = options;
  }

  worker(config: WorkerConfig, ssh: SshMachineConfig): RemoteWorker {
    const { pki, clock } = this.#options;
    const machine = this.#machine(config.name, ssh);
    return new RemoteWorker({
      ...{ config, machine, clock, ca: pki.ca.certificate, kubeletClient: pki.apiserverKubeletClient },
      // Both ways lead through the connection, whose end on the machine is the machine's own network.
      apiPeers: () => [
        { address: machine.apiUpstream.ip, port: machine.apiUpstream.port },
        { address: machine.address ?? config.ip, port: kubeletPort, local: true },
      ],
      files: async (context) => [
        ...agentFiles(pki, {
          worker: config,
          driver: 'ssh',
          networkId: machine.networkId,
          apiUpstreams: [machine.apiUpstream],
          ownsContainerd: true,
          criEndpoint: `unix://${runtimeLayout('ssh').socket}`,
          bootstrapToken: await this.#options.bootstrapToken(context),
          limited: false,
        }),
      ],
    });
  }

  #machine(name: string, ssh: SshMachineConfig): SshMachine {
    const { apiPort, logger } = this.#options;
    return openSshMachine(name, ssh, this.#options, (stream) => relayToApi(stream, apiPort, logger));
  }
}

/** A machine as the lab knows it. Nothing is asked of it before the first call. */
function openSshMachine(
  name: string,
  ssh: SshMachineConfig,
  options: Pick<SshNodesOptions, 'folder' | 'agentBundle' | 'clock' | 'random' | 'logger'>,
  onApiConnection: (stream: ByteStream) => void,
): SshMachine {
  const { folder, agentBundle, clock, random, logger } = options;
  return new SshMachine({
    name,
    target: sshTargetOf(ssh, loadSshSecrets(folder, name)),
    trusted: trustedKeysOf(ssh),
    ...(ssh.archive === undefined ? {} : { archive: fromHome(ssh.archive) }),
    ...{ agentBundle, onApiConnection, clock, random, logger: logger.named(name) },
  });
}

/** Takes what a stopped lab left on its machines. Throws MachineError for the first that cannot be cleaned. */
export async function removeSshWorkers(
  context: Context,
  workers: readonly WorkerConfig[],
  options: Pick<SshNodesOptions, 'folder' | 'agentBundle' | 'clock' | 'random' | 'logger'>,
): Promise<void> {
  for (const { name, ssh } of workers) {
    if (!ssh) continue;
    const machine = openSshMachine(name, ssh, options, (stream) => stream.destroy());
    try {
      await machine.remove(context);
    } finally {
      machine.close();
    }
  }
}

/** One connection of a machine's programs to the API server, which listens on this computer's loopback. */
function relayToApi(stream: ByteStream, port: number, logger: Logger): void {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  relay(stream, byteStreamOf(socket)).catch((error: unknown) => {
    logger.debug('a connection of a machine to the API server broke', { error: messageOf(error) });
  });
}
