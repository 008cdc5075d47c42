import type { NodeNetwork } from './ruleset.ts';

/** Where the kernel calls the table. Priorities are numbers because older nft knows `dstnat` in some hooks only: it is -100. */
export const baseChains: ReadonlyMap<string, string> = new Map([
  ['raw-prerouting', 'type filter hook prerouting priority -300'],
  ['filter-prerouting-pre-dnat', 'type filter hook prerouting priority -110'],
  ['nat-prerouting', 'type nat hook prerouting priority -100'],
  ['filter-input', 'type filter hook input priority 0'],
  ['filter-forward', 'type filter hook forward priority 0'],
  ['filter-output-pre-dnat', 'type filter hook output priority -110'],
  ['nat-output', 'type nat hook output priority -100'],
  ['filter-output', 'type filter hook output priority 0'],
  ['nat-postrouting', 'type nat hook postrouting priority 100'],
]);

/** Upstream's bit: set on packets whose source is to become this node. No other component may count on it. */
const masqueradeMark = '0x4000';

const byTarget = 'ip daddr . meta l4proto . th dport';
const byPort = 'meta l4proto . th dport';

/**
 * The chains that stand whatever Services there are (pkg/proxy/nftables of kube-proxy, release 1.36). Translation happens once,
 * in `services`; what is refused or dropped is decided after that, for what was not translated, and for new connections only, so
 * that established ones outlive their endpoints.
 */
export function fixedChains(network: NodeNetwork): readonly (readonly [chain: string, rules: readonly string[]])[] {
  return [
    ['raw-prerouting', ['iifname != "lo" ip daddr 127.0.0.0/8 drop']],
    ['filter-prerouting-pre-dnat', ['ct state new jump firewall-check']],
    ['nat-prerouting', ['jump services']],
    ['filter-input', ['ct state new jump nodeport-endpoints-check', 'ct state new jump service-endpoints-check']],
    ['filter-forward', ['ct state new jump service-endpoints-check', 'ct state new jump cluster-ips-check']],
    ['filter-output-pre-dnat', ['ct state new jump firewall-check']],
    ['nat-output', ['jump services']],
    ['filter-output', ['ct state new jump service-endpoints-check', 'ct state new jump cluster-ips-check']],
    ['nat-postrouting', ['jump masquerading']],
    ['reject-chain', ['reject']],
    ['mark-for-masquerade', [`meta mark set meta mark or ${masqueradeMark}`]],
    ['firewall-check', [`${byTarget} vmap @firewall-ips`]],
    ['service-endpoints-check', [`${byTarget} vmap @no-endpoint-services`]],
    ['nodeport-endpoints-check', [`${toNode(network)} ${byPort} vmap @no-endpoint-nodeports`]],
    ['cluster-ips-check', ['ip daddr @cluster-ips reject', `ip daddr ${network.serviceCidr} drop`]],
    ['services', services(network)],
    ['masquerading', masquerading(network)],
  ];
}

function services(network: NodeNetwork): readonly string[] {
  return [
    // What enters the cluster from elsewhere must come back this way: the backend may be on another node.
    `ip daddr @cluster-ips ip saddr != ${network.clusterCidr} jump mark-for-masquerade`,
    `${byTarget} vmap @service-ips`,
    `${toNode(network)} ${byPort} vmap @service-nodeports`,
  ];
}

function masquerading({ bridgedCidr }: NodeNetwork): readonly string[] {
  return [
    'ct status dnat ip saddr . ip daddr @hairpin-connections jump mark-for-masquerade',
    ...(bridgedCidr ? [`ct status dnat ip saddr ${bridgedCidr} ip daddr ${bridgedCidr} jump mark-for-masquerade`] : []),
    `meta mark and ${masqueradeMark} == 0 return`,
    `meta mark set meta mark xor ${masqueradeMark}`,
    'masquerade fully-random',
  ];
}

/** Every address of the node; those of the loopback network only where the kernel lets them leave. */
function toNode({ localhostNodePorts }: NodeNetwork): string {
  return localhostNodePorts ? 'fib daddr type local' : 'fib daddr type local ip daddr != 127.0.0.0/8';
}
