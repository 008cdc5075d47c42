import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';

export interface NodeSysctls {
  /** Packets from 127.0.0.1 may leave the node after translation: node ports can answer there. */
  readonly routeLocalnet: boolean;
  /** Bridged packets pass the IP filters, so that replies between pods of one bridge are translated back. */
  readonly bridgeFilter: boolean;
}

const root = '/proc/sys';
const bridge = 'net/bridge/bridge-nf-call-iptables';

/**
 * Sets what service translation needs of the kernel, and says what it got. The network agent sets some of it too. Redirects are
 * switched off only where the machine is `ours`.
 */
export function applySysctls(logger: Logger, machine: 'ours' | 'lent'): NodeSysctls {
  ensure('net/ipv4/ip_forward', '1', logger);
  const routeLocalnet = ensure('net/ipv4/conf/all/route_localnet', '1', logger);
  // A redirect to a client on the same link uses up its share of ICMP, and the refusal it waits for is never sent.
  for (const device of machine === 'ours' ? devices() : [])
    ensure(`net/ipv4/conf/${device}/send_redirects`, '0', logger);
  return { routeLocalnet, bridgeFilter: ensure(bridge, '1', logger) };
}

/** `all` and `default` are among them. */
function devices(): readonly string[] {
  try {
    return readdirSync(join(root, 'net/ipv4/conf'));
  } catch (error) {
    if (error instanceof Error && 'code' in error) return [];
    throw error;
  }
}

/** Whether it has that value in the end. */
function ensure(name: string, value: string, logger: Logger): boolean {
  const path = join(root, name);
  try {
    if (readFileSync(path, 'utf8').trim() === value) return true;
    writeFileSync(path, value);
    return true;
  } catch (error) {
    logger.warn('the kernel does not let us set what services need', { sysctl: name, error: messageOf(error) });
    return false;
  }
}
