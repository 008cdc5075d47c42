import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { bridgeName, cniConfigName } from './cni/cni-config.ts';
import { removeHostPorts } from './host-ports.ts';
import { writeSysctl, type Kernel } from './kernel.ts';
import { removeAddresses } from './load-balancer/address-holder.ts';
import { removeEgress } from './node-setup.ts';
import { removePolicies } from './policy/policy-enforcer.ts';
import { removeRoutes } from './routes/route-table.ts';

export interface CleanupOptions {
  readonly kernel: Kernel;
  readonly logger: Logger;
  /** What the relay listened on. */
  readonly apiIp: string;
  readonly cniFolder: string;
  /** Where the values of sysctls from before our time were kept. */
  readonly sysctlFile: string;
}

/** Takes away everything the agent ever set on this machine. One step that fails is said and does not keep the others from being done. */
export async function cleanUp(context: Context, options: CleanupOptions): Promise<void> {
  const { kernel, logger, apiIp, cniFolder, sysctlFile } = options;
  const steps: Readonly<Record<string, () => Promise<unknown>>> = {
    policies: () => removePolicies(kernel, context),
    'host ports': () => removeHostPorts(kernel, context),
    egress: () => removeEgress(kernel, context),
    'load-balancer addresses': () => removeAddresses(kernel, context),
    routes: () => removeRoutes(kernel, context),
    bridge: () =>
      kernel.run(context, ['sh', '-c', 'ip link show "$0" >/dev/null 2>&1 || exit 0; ip link del "$0"', bridgeName]),
    'API address': () =>
      kernel.run(context, ['sh', '-c', 'ip addr del "$0" dev lo 2>/dev/null || true', `${apiIp}/32`]),
    'CNI configuration': () => rm(join(cniFolder, cniConfigName), { force: true }),
    sysctls: () => restoreSysctls(kernel, context, sysctlFile),
  };
  for (const [step, run] of Object.entries(steps)) {
    try {
      await run();
    } catch (error) {
      context.check();
      logger.warn('something of the network was left behind', { step, error: messageOf(error) });
    }
  }
}

async function restoreSysctls(kernel: Kernel, context: Context, file: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '{}';
    throw error;
  });
  const before = JSON.parse(text) as Readonly<Record<string, string>>;
  for (const [name, value] of Object.entries(before)) await writeSysctl(kernel, context, name, value);
  await rm(file, { force: true });
}
