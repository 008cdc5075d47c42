import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { Logger } from '#base/logger';
import { readSysctl, writeSysctl, type Kernel } from './kernel.ts';

const table = 'ip drydock-network';

/** What a node's kernel must do for pods: pass packets on, and show bridged ones to netfilter. */
const sysctls: Readonly<Record<string, string>> = {
  'net/ipv4/ip_forward': '1',
  // Loose: answers may leave by another device than the packet came in, as long as there is a way back at all.
  'net/ipv4/conf/all/rp_filter': '2',
  // Without it a Service's answer from a pod of the same bridge would pass kube-proxy by, and so would NetworkPolicy.
  'net/bridge/bridge-nf-call-iptables': '1',
  'net/bridge/bridge-nf-call-ip6tables': '1',
};

/** Sets what is not as it must be; `remember` is told the values from before. A kernel that withholds one is said in the log, as the rest can still work. */
export async function applySysctls(
  kernel: Kernel,
  context: Context,
  logger: Logger,
  remember: (before: Readonly<Record<string, string>>) => Promise<void> = async () => {},
): Promise<void> {
  const before: Record<string, string> = {};
  for (const [name, value] of Object.entries(sysctls)) {
    try {
      if (name.startsWith('net/bridge/')) await loadBridgeNetfilter(kernel, context, name);
      const was = await readSysctl(kernel, context, name);
      if (was === value) continue;
      await writeSysctl(kernel, context, name, value);
      before[name] = was;
    } catch (error) {
      context.check();
      logger.warn('the kernel does not let us set what pods need', { sysctl: name, error: messageOf(error) });
    }
  }
  if (Object.keys(before).length > 0) await remember(before);
}

/** A module on most kernels, and part of some. */
async function loadBridgeNetfilter(kernel: Kernel, context: Context, sysctl: string): Promise<void> {
  await kernel.run(context, ['sh', '-c', 'test -e "/proc/sys/$0" || modprobe br_netfilter', sysctl]);
}

/**
 * What becomes of packets that leave the cluster: those of pods get the node's address, since no one outside knows a way back to a
 * pod; those to a Service that kube-proxy has not turned into a pod are dropped, since no such address exists outside.
 */
export function egressRuleset(clusterCidr: string, serviceCidr: string): string {
  return `add table ${table}
delete table ${table}
table ${table} {
  chain pods-out {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${clusterCidr} ip daddr != { ${clusterCidr}, 224.0.0.0/4 } masquerade fully-random
  }
  chain services-out {
    type filter hook postrouting priority filter; policy accept;
    ip daddr ${serviceCidr} oifname != "lo" drop
  }
}
`;
}

export async function applyEgress(
  kernel: Kernel,
  context: Context,
  ranges: { readonly clusterCidr: string; readonly serviceCidr: string },
): Promise<void> {
  await kernel.run(context, ['nft', '-f', '-'], egressRuleset(ranges.clusterCidr, ranges.serviceCidr));
}

export async function removeEgress(kernel: Kernel, context: Context): Promise<void> {
  await kernel.run(context, ['nft', '-f', '-'], `add table ${table}\ndelete table ${table}\n`);
}
