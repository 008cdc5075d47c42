import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { SocketAddress } from '#base/streams';
import { socketExchange, type DnsTransport } from './exchange.ts';
import { Forwarder } from './forwarder.ts';
import { DnsListener } from './listener.ts';
import { nameserversIn } from './resolv-conf.ts';
import { emptyReply } from './wire.ts';

const serverFailure = 2;
const retryMs = 30_000;

export interface NodeResolverOptions {
  readonly address: SocketAddress;
  /** `/etc/resolv.conf`. */
  readonly resolvConf: string;
  /** Never asked, as they would ask us again: the cluster's DNS. */
  readonly except: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Passes DNS questions of the cluster's DNS on to the node's own servers, from the node's own network: what a resolv.conf names is
 * often a loopback address (systemd-resolved, Docker's 127.0.0.11), which no pod reaches. A port that is taken costs the cluster its
 * outside names only; it is tried again until `life` ends.
 */
export async function runNodeResolver(life: Context, options: NodeResolverOptions): Promise<void> {
  const { address, resolvConf, except, clock, random, logger } = options;
  const servers = nameserversIn(resolvConf, except, clock);
  const forwarder = new Forwarder({ servers, exchange: socketExchange(clock), clock, random, logger });
  const answer = async (message: Uint8Array, transport: DnsTransport): Promise<Uint8Array> => {
    try {
      return await forwarder.forward(message, transport);
    } catch (error) {
      logger.debug('a name of the outside was not resolved', { error: messageOf(error) });
      return failure(message);
    }
  };
  for (;;) {
    const listener = new DnsListener({ address, answer, clock, logger });
    try {
      await listener.start();
      life.onEnd(() => listener.stop());
      return;
    } catch (error) {
      logger.warn('names of the outside are not resolved for pods', { error: messageOf(error), retryMs });
      listener.stop();
    }
    try {
      await clock.sleep(life, retryMs);
    } catch (error) {
      if (error instanceof CancelledError) return;
      throw error;
    }
  }
}

function failure(message: Uint8Array): Uint8Array {
  try {
    return emptyReply(message, serverFailure);
  } catch {
    // No question that could be repeated: an empty datagram tells its sender as much.
    return new Uint8Array(0);
  }
}
