import type { Context } from '#base/context';
import { runJson, type Kernel } from './kernel.ts';

/** A device of the node. */
export interface Link {
  readonly name: string;
  readonly mtu: number;
  /** IPv4 addresses with their prefix lengths. */
  readonly addresses: readonly { readonly ip: string; readonly prefix: number }[];
}

interface ShownAddresses {
  readonly ifname?: string;
  readonly mtu?: number;
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
}

export async function listLinks(kernel: Kernel, context: Context): Promise<readonly Link[]> {
  const shown = await runJson(kernel, context, ['ip', '-json', '-4', 'addr', 'show']);
  return (shown as readonly ShownAddresses[]).flatMap(({ ifname, mtu = 1500, addr_info = [] }) =>
    ifname === undefined
      ? []
      : [
          {
            name: ifname,
            mtu,
            addresses: addr_info.map(({ local = '', prefixlen = 32 }) => ({ ip: local, prefix: prefixlen })),
          },
        ],
  );
}

/**
 * The device by which other nodes reach this one: that which has `ip`, else, on a machine whose address is translated on the
 * way, that of the default route. Undefined when there is neither.
 */
export async function mainLink(kernel: Kernel, context: Context, ip: string): Promise<Link | undefined> {
  const links = await listLinks(kernel, context);
  const own = links.find((link) => link.addresses.some((address) => address.ip === ip));
  if (own) return own;
  const routes = await runJson(kernel, context, ['ip', '-json', '-4', 'route', 'show', 'default']);
  const device = (routes as readonly { dev?: string }[])[0]?.dev;
  return links.find((link) => link.name === device);
}
