import type { Context } from '#base/context';
import type { FaultPeer } from '#machines/faults';
import { runJson } from '#network/kernel';
import { UnsupportedFaultError, type FaultTools } from './applied.ts';

/** Devices that lead to the peers; with none named, those of the default route. */
export async function devicesTo(
  context: Context,
  tools: FaultTools,
  peers: readonly FaultPeer[],
): Promise<readonly string[]> {
  const found = new Set<string>();
  const add = (routes: readonly unknown[]): void => {
    for (const route of routes as readonly { readonly dev?: unknown }[]) {
      if (typeof route.dev === 'string') found.add(route.dev);
    }
  };
  if (peers.length === 0) add(await runJson(tools.kernel, context, ['ip', '-json', 'route', 'show', 'default']));
  for (const { address } of peers) {
    const ip = address.split('/')[0] ?? address;
    const routes = await runJson(tools.kernel, context, ['ip', '-json', 'route', 'get', ip]).catch(() => []);
    add(routes);
  }
  // A peer without a route (its pods are not routed yet) is met where everything else leaves.
  if (found.size === 0) add(await runJson(tools.kernel, context, ['ip', '-json', 'route', 'show', 'default']));
  if (found.size === 0) throw new UnsupportedFaultError('this machine has no network device that leads to the others');
  return [...found];
}
