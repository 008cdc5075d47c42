import type { Pod } from '#api/gen/types';
import { jsonEqual } from '#base/freeze';
import type { Context } from '#base/context';
import type { Informer, InformerFactory } from '#client/client';
import { pods } from '#client/resources';
import type { Kernel } from './kernel.ts';
import { hasOwnAddress } from './policy/policy-state.ts';

const table = 'ip drydock-hostports';

export interface HostPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Undefined: every address of the node. */
  readonly hostIP: string | undefined;
  readonly hostPort: number;
  readonly podIP: string;
  readonly containerPort: number;
}

/** Ports of this node that its pods asked for. Of two pods that want one, the older keeps it; the scheduler lets that not happen. */
export function hostPorts(all: readonly Pod[], nodeName: string): readonly HostPort[] {
  const taken = new Map<string, HostPort>();
  const own = all.filter((pod) => pod.spec?.nodeName === nodeName && hasOwnAddress(pod));
  const age = (pod: Pod): string => pod.metadata.creationTimestamp ?? '';
  for (const pod of [...own].sort((a, b) => (age(a) < age(b) ? -1 : 1))) {
    const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    for (const { hostPort, containerPort, protocol = 'TCP', hostIP } of containers.flatMap((one) => one.ports ?? [])) {
      if (!hostPort) continue;
      const family = protocol === 'UDP' ? 'udp' : protocol === 'SCTP' ? 'sctp' : 'tcp';
      const ip = hostIP && hostIP !== '0.0.0.0' ? hostIP : undefined;
      const key = `${family} ${ip ?? ''} ${hostPort}`;
      if (taken.has(key)) continue;
      taken.set(key, {
        ...{ protocol: family, hostIP: ip, hostPort },
        ...{ podIP: pod.status?.podIP ?? '', containerPort },
      });
    }
  }
  return [...taken.values()];
}

/**
 * The whole table. What comes in by the loopback device, and from a pod to its own host port, gets the node's address: the pod could
 * not answer the one, and would answer itself in the other.
 */
export function hostPortRuleset(ports: readonly HostPort[]): string {
  const rules = ports.map(({ protocol, hostIP, hostPort, podIP, containerPort }) => {
    const address = hostIP === undefined ? 'fib daddr type local ' : `ip daddr ${hostIP} `;
    return `    ${address}${protocol} dport ${hostPort} dnat to ${podIP}:${containerPort}`;
  });
  const hairpins = [...new Set(ports.map((one) => one.podIP))].map(
    (ip) => `    ct status dnat ip saddr ${ip} ip daddr ${ip} masquerade`,
  );
  return `add table ${table}
delete table ${table}
table ${table} {
  chain ports {
${rules.join('\n')}
  }
  chain prerouting { type nat hook prerouting priority -95; policy accept; jump ports; }
  chain output { type nat hook output priority -95; policy accept; jump ports; }
  chain postrouting {
    type nat hook postrouting priority 95; policy accept;
    ct status dnat ip saddr 127.0.0.0/8 oifname != "lo" masquerade
${hairpins.join('\n')}
  }
}
`;
}

export interface HostPortsOptions {
  readonly nodeName: string;
  readonly kernel: Kernel;
  readonly informers: InformerFactory;
  /** A pod with a host port came, went, or got its address: `sync` is wanted. */
  readonly onChange: () => void;
}

/** Makes `hostPort` work in nftables: the CNI plugin for it would need iptables on every node. */
export class HostPortForwarder {
  readonly #options: HostPortsOptions;
  readonly #pods: Informer<Pod>;
  #applied: readonly HostPort[] | undefined;

  constructor(options: HostPortsOptions) {
    const { informers, onChange, nodeName } = options;
    this.#options = options;
    this.#pods = informers.informer<Pod>(pods);
    const tell = (before: Pod | undefined, after: Pod | undefined): void => {
      const of = (pod: Pod | undefined): readonly HostPort[] => (pod ? hostPorts([pod], nodeName) : []);
      if (!jsonEqual(of(before), of(after))) onChange();
    };
    this.#pods.addHandler({
      onAdd: (pod) => tell(undefined, pod),
      onUpdate: tell,
      onDelete: (pod) => tell(pod, undefined),
    });
  }

  async sync(context: Context): Promise<void> {
    await this.#pods.waitForSync(context);
    const ports = hostPorts(this.#pods.lister.list(), this.#options.nodeName);
    if (this.#applied && jsonEqual(this.#applied, ports)) return;
    this.#applied = undefined;
    await this.#options.kernel.run(context, ['nft', '-f', '-'], hostPortRuleset(ports));
    this.#applied = ports;
  }
}

export async function removeHostPorts(kernel: Kernel, context: Context): Promise<void> {
  await kernel.run(context, ['nft', '-f', '-'], `add table ${table}\ndelete table ${table}\n`);
}
