import type { Context } from '#base/context';
import { runJson, type Kernel } from '../kernel.ts';
import { vxlanDevice, type Tunnel, type WantedRoutes } from './wanted-routes.ts';

/** `proto` of every route of ours: by it they are known again after a restart. Free in iproute2's table of names. */
const routeProtocol = '141';
const vxlanId = '1';
const vxlanPort = '8472';

/** Of this node's end. */
export interface TunnelEnd {
  readonly address: string;
  readonly mac: string;
  /** This node's own address on the link below. */
  readonly vtep: string;
  readonly mtu: number;
}

interface ShownRoute {
  readonly type?: string;
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly flags?: readonly string[];
}

interface ShownLink {
  readonly address?: string;
  readonly mtu?: number;
  readonly flags?: readonly string[];
  readonly linkinfo?: {
    readonly info_data?: { readonly local?: string; readonly port?: number; readonly id?: number };
  };
}

/**
 * Makes the kernel's routes, VXLAN device and its neighbours exactly what is wanted, by looking first: the same call mends
 * what a restart, a link that went down or a person took away. A route that the kernel refuses does not keep the others from
 * being set; the call throws after them.
 */
export async function applyRoutes(
  kernel: Kernel,
  context: Context,
  wanted: WantedRoutes,
  end: TunnelEnd | undefined,
): Promise<void> {
  const wantsTunnel = wanted.tunnels.length > 0 && end !== undefined;
  if (wantsTunnel) await applyTunnelEnd(kernel, context, end);
  const before = await shownRoutes(kernel, context);
  const changes = wantsTunnel ? await tunnelChanges(kernel, context, wanted.tunnels) : { ip: [], bridge: [] };
  await batch(kernel, context, 'bridge', changes.bridge);
  await batch(kernel, context, 'ip', [...changes.ip, ...routeChanges(before, wanted.routes)]);
  if (!wantsTunnel) await deleteTunnelEnd(kernel, context);
}

/** Lines for `ip -batch`: first what is new or different, so that no address is without a route in between. */
export function routeChanges(before: ReadonlyMap<string, string>, wanted: ReadonlyMap<string, string>): string[] {
  const lines: string[] = [];
  for (const [cidr, route] of wanted) {
    if (before.get(cidr) === route) continue;
    const text = route === 'blackhole' ? `blackhole ${cidr}` : `${cidr} ${route}`;
    lines.push(`route replace ${text} proto ${routeProtocol}`);
  }
  for (const [cidr, route] of before) {
    if (wanted.has(cidr)) continue;
    lines.push(`route del ${route === 'blackhole' ? 'blackhole ' : ''}${cidr} proto ${routeProtocol}`);
  }
  return lines;
}

async function shownRoutes(kernel: Kernel, context: Context): Promise<Map<string, string>> {
  const shown = await runJson(kernel, context, ['ip', '-json', '-4', 'route', 'show', 'proto', routeProtocol]);
  const routes = new Map<string, string>();
  for (const { type, dst, gateway = '', dev = '', flags = [] } of shown as readonly ShownRoute[]) {
    const cidr = dst.includes('/') ? dst : `${dst}/32`;
    if (type === 'blackhole') routes.set(cidr, 'blackhole');
    else if (flags.includes('onlink')) routes.set(cidr, `via ${gateway} dev ${dev} onlink`);
    else routes.set(cidr, `via ${gateway}`);
  }
  return routes;
}

/** A VXLAN device cannot change its own address below: it is made again then, and all its neighbours with it. */
async function applyTunnelEnd(kernel: Kernel, context: Context, end: TunnelEnd): Promise<void> {
  const link = await shownTunnelEnd(kernel, context);
  const { local, port, id } = link?.linkinfo?.info_data ?? {};
  const fits = local === end.vtep && port === Number(vxlanPort) && id === Number(vxlanId) && link?.address === end.mac;
  if (link && !fits) await kernel.run(context, ['ip', 'link', 'del', vxlanDevice]);
  if (!link || !fits) {
    const tunnel = ['type', 'vxlan', 'id', vxlanId, 'dstport', vxlanPort, 'local', end.vtep, 'nolearning'];
    await kernel.run(context, ['ip', 'link', 'add', vxlanDevice, 'address', end.mac, ...tunnel]);
  }
  if (!fits || link?.mtu !== end.mtu || !link.flags?.includes('UP'))
    await kernel.run(context, ['ip', 'link', 'set', vxlanDevice, 'mtu', String(end.mtu), 'up']);
  const shown = await runJson(kernel, context, ['ip', '-json', '-4', 'addr', 'show', 'dev', vxlanDevice]);
  const addresses = (shown as readonly { addr_info?: readonly { local?: string; prefixlen?: number }[] }[])
    .flatMap((one) => one.addr_info ?? [])
    .map(({ local: ip = '', prefixlen = 32 }) => `${ip}/${prefixlen}`);
  for (const address of addresses)
    if (address !== `${end.address}/32`) await kernel.run(context, ['ip', 'addr', 'del', address, 'dev', vxlanDevice]);
  if (!addresses.includes(`${end.address}/32`))
    await kernel.run(context, ['ip', 'addr', 'add', `${end.address}/32`, 'dev', vxlanDevice]);
}

async function shownTunnelEnd(kernel: Kernel, context: Context): Promise<ShownLink | undefined> {
  const links = await runJson(kernel, context, ['ip', '-json', '-details', 'link', 'show', 'type', 'vxlan']);
  return (links as readonly (ShownLink & { ifname?: string })[]).find((one) => one.ifname === vxlanDevice);
}

async function deleteTunnelEnd(kernel: Kernel, context: Context): Promise<void> {
  if (await shownTunnelEnd(kernel, context)) await kernel.run(context, ['ip', 'link', 'del', vxlanDevice]);
}

/** Permanent neighbours say which hardware address an address has; the forwarding database, on which node that is. */
async function tunnelChanges(
  kernel: Kernel,
  context: Context,
  tunnels: readonly Tunnel[],
): Promise<{ readonly ip: string[]; readonly bridge: string[] }> {
  const neighbours = (await runJson(kernel, context, [
    ...['ip', '-json', 'neigh', 'show', 'dev', vxlanDevice, 'nud', 'permanent'],
  ])) as readonly { dst: string; lladdr?: string }[];
  const entries = (await runJson(kernel, context, ['bridge', '-json', 'fdb', 'show', 'dev', vxlanDevice])) as readonly {
    mac: string;
    dst?: string;
  }[];
  return {
    ip: neighbourChanges(new Map(neighbours.map(({ dst, lladdr = '' }) => [dst, lladdr])), tunnels),
    bridge: forwardingChanges(new Map(entries.map(({ mac, dst = '' }) => [mac, dst])), tunnels),
  };
}

function neighbourChanges(before: ReadonlyMap<string, string>, tunnels: readonly Tunnel[]): string[] {
  const wanted = new Map(tunnels.map(({ address, mac }) => [address, mac]));
  return [
    ...[...before.keys()].filter((ip) => !wanted.has(ip)).map((ip) => `neigh del ${ip} dev ${vxlanDevice}`),
    ...[...wanted]
      .filter(([ip, mac]) => before.get(ip) !== mac)
      .map(([ip, mac]) => `neigh replace ${ip} lladdr ${mac} dev ${vxlanDevice} nud permanent`),
  ];
}

function forwardingChanges(before: ReadonlyMap<string, string>, tunnels: readonly Tunnel[]): string[] {
  const wanted = new Map(tunnels.map(({ mac, vtep }) => [mac, vtep]));
  return [
    ...[...before]
      .filter(([mac, vtep]) => wanted.get(mac) !== vtep)
      .map(([mac, vtep]) => `fdb del ${mac} dev ${vxlanDevice}${vtep ? ` dst ${vtep}` : ''} self`),
    ...[...wanted]
      .filter(([mac, vtep]) => before.get(mac) !== vtep)
      .map(([mac, vtep]) => `fdb append ${mac} dev ${vxlanDevice} dst ${vtep} self permanent`),
  ];
}

async function batch(kernel: Kernel, context: Context, program: string, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await kernel.run(context, [program, '-force', '-batch', '-'], `${lines.join('\n')}\n`);
}

/** Takes away everything that {@link applyRoutes} made. */
export async function removeRoutes(kernel: Kernel, context: Context): Promise<void> {
  await applyRoutes(kernel, context, { routes: new Map(), tunnels: [] }, undefined);
}
