import { parseCidr, parseIpv4 } from '#base/ip';
import type { SocketAddress } from '#base/streams';
import type { ServiceRule } from '../service-rules.ts';
import { RuleNames } from './names.ts';
import type { NodeNetwork, SetName } from './ruleset.ts';

/** What one service port adds to the table. */
export interface Fragment {
  readonly chains: readonly (readonly [chain: string, rules: readonly string[]])[];
  readonly elements: readonly (readonly [set: SetName, key: string, value: string])[];
  readonly affinity: readonly (readonly [set: string, seconds: number])[];
}

type Parts = {
  readonly [K in keyof Fragment]: Fragment[K][number][];
};

/** Up to this many backends a chain tries them one by one; above, one rule looks the backend up in a map of its own. */
const longestLadder = 16;

const refuse = 'goto reject-chain';

/** The rules of one service port (pkg/proxy/nftables of kube-proxy, release 1.36). Addresses that are not IPv4 are left out. */
export function fragmentOf(given: ServiceRule, network: NodeNetwork): Fragment {
  const rule = ipv4Only(given);
  const parts: Parts = { chains: [], elements: [], affinity: [] };
  const names = new RuleNames(rule);
  const outer = rule.addresses.filter((ip) => !rule.clusterIPs.includes(ip));
  const fromOutside = outer.length > 0 || rule.nodePort !== undefined;
  const usesCluster = rule.internalTrafficPolicy === 'Cluster' || fromOutside;
  const usesLocal = rule.internalTrafficPolicy === 'Local' || (fromOutside && rule.externalTrafficPolicy === 'Local');
  const local = rule.internalTrafficPolicy === 'Local' ? rule.internal : rule.external;
  if (usesCluster) choose(parts, rule, names, names.service, rule.cluster);
  if (usesLocal) choose(parts, rule, names, names.local, local);
  if (rule.affinitySeconds !== undefined)
    endpointChains(parts, rule, names, [...(usesCluster ? rule.cluster : []), ...(usesLocal ? local : [])]);
  internalTraffic(parts, rule, names);
  if (fromOutside) externalTraffic(parts, rule, names, outer, network);
  firewall(parts, rule, names, network);
  for (const ip of rule.possiblyHere) parts.elements.push(['hairpin-connections', `${ip} . ${ip}`, '']);
  return parts;
}

function internalTraffic({ elements }: Parts, rule: ServiceRule, names: RuleNames): void {
  const chain = rule.internalTrafficPolicy === 'Local' ? names.local : names.service;
  for (const ip of rule.clusterIPs) {
    elements.push(['cluster-ips', ip, '']);
    if (rule.internal.length > 0) elements.push(['service-ips', targetKey(ip, rule), `goto ${chain}`]);
    else elements.push(['no-endpoint-services', targetKey(ip, rule), withoutEndpoint(rule)]);
  }
}

function externalTraffic(
  { chains, elements }: Parts,
  rule: ServiceRule,
  names: RuleNames,
  outer: readonly string[],
  network: NodeNetwork,
): void {
  const nodePort = rule.nodePort === undefined ? undefined : `${protocolOf(rule)} . ${rule.nodePort}`;
  if (rule.cluster.length > 0) {
    chains.push([names.external, externalPolicy(rule, names, network)]);
    for (const ip of outer) elements.push(['service-ips', targetKey(ip, rule), `goto ${names.external}`]);
    if (nodePort) elements.push(['service-nodeports', nodePort, `goto ${names.external}`]);
  }
  if (rule.external.length > 0) return;
  for (const ip of outer) elements.push(['no-endpoint-services', targetKey(ip, rule), withoutEndpoint(rule)]);
  if (nodePort) elements.push(['no-endpoint-nodeports', nodePort, withoutEndpoint(rule)]);
}

/**
 * With `Local` the client's address is kept, because the backend is here. Pods and the node itself are served as if they had
 * gone out to the load balancer and come back: from any backend.
 */
function externalPolicy(rule: ServiceRule, names: RuleNames, network: NodeNetwork): readonly string[] {
  if (rule.externalTrafficPolicy === 'Cluster') return ['jump mark-for-masquerade', `goto ${names.service}`];
  return [
    `ip saddr ${network.clusterCidr} goto ${names.service}`,
    'fib saddr type local jump mark-for-masquerade',
    `fib saddr type local goto ${names.service}`,
    ...(rule.external.length > 0 ? [`goto ${names.local}`] : []),
  ];
}

function firewall({ chains, elements }: Parts, rule: ServiceRule, names: RuleNames, network: NodeNetwork): void {
  const { loadBalancerIPs, loadBalancerSourceRanges } = rule;
  if (loadBalancerSourceRanges.length === 0 || loadBalancerIPs.length === 0) return;
  const ranges = loadBalancerSourceRanges.map((range) => range.trim()).filter((range) => parseCidr(range));
  // A node that holds the balancer's address calls it from that address: allowed where the node itself is.
  const nodeAllowed = network.nodeIPs.some((ip) => ranges.some((range) => contains(range, ip)));
  const clauses = [...ranges, ...(nodeAllowed ? loadBalancerIPs : [])].map((range) => `ip saddr ${range} return`);
  chains.push([names.firewall, [...clauses, 'drop']]);
  for (const ip of loadBalancerIPs) elements.push(['firewall-ips', targetKey(ip, rule), `goto ${names.firewall}`]);
}

/**
 * One chain that chooses a backend. A ladder gives each the same share: the first of three is taken with 1/3, the second of the
 * remaining two with 1/2. A map inside a rule is avoided because the kernel takes longer for each one there is already
 * (5,000 of them: 2.5 s; ladders: 0.5 s).
 */
function choose(
  { chains }: Parts,
  rule: ServiceRule,
  names: RuleNames,
  chain: string,
  backends: readonly SocketAddress[],
): void {
  const count = backends.length;
  if (count === 0) return;
  const sticky = rule.affinitySeconds !== undefined;
  const known = sticky ? backends.map((one) => `ip saddr @${names.affinity(one)} goto ${names.endpoint(one)}`) : [];
  const verdict = (one: SocketAddress): string => (sticky ? `goto ${names.endpoint(one)}` : translate(rule, one));
  if (count <= longestLadder) {
    const ladder = backends.map(
      (one, i) => `${i < count - 1 ? `numgen random mod ${count - i} 0 ` : ''}${verdict(one)}`,
    );
    chains.push([chain, [...known, ...ladder]]);
    return;
  }
  const lookup = sticky
    ? `numgen random mod ${count} vmap { ${backends.map((one, i) => `${i} : ${verdict(one)}`).join(', ')} }`
    : `meta l4proto ${protocolOf(rule)} dnat ip to numgen random mod ${count} map { ${backends
        .map(({ ip, port }, i) => `${i} : ${ip} . ${port}`)
        .join(', ')} }`;
  chains.push([chain, [...known, lookup]]);
}

/** With affinity each backend has a chain, which writes down who came. */
function endpointChains(
  { chains, affinity }: Parts,
  rule: ServiceRule,
  names: RuleNames,
  backends: readonly SocketAddress[],
): void {
  const distinct = new Map(backends.map((one) => [names.endpoint(one), one]));
  for (const one of distinct.values()) {
    const set = names.affinity(one);
    affinity.push([set, rule.affinitySeconds ?? 0]);
    chains.push([names.endpoint(one), [`update @${set} { ip saddr }`, translate(rule, one)]]);
  }
}

function translate(rule: ServiceRule, { ip, port }: SocketAddress): string {
  return `meta l4proto ${protocolOf(rule)} dnat to ${ip}:${port}`;
}

/** No backend anywhere is refused at once; a policy that leaves none here is dropped, so that the client tries elsewhere. */
function withoutEndpoint(rule: ServiceRule): string {
  return rule.cluster.length === 0 ? refuse : 'drop';
}

function targetKey(ip: string, rule: ServiceRule): string {
  return `${ip} . ${protocolOf(rule)} . ${rule.port}`;
}

function protocolOf(rule: ServiceRule): string {
  return rule.protocol.toLowerCase();
}

function ipv4Only(rule: ServiceRule): ServiceRule {
  if (rule.addresses.every(isIpv4)) return rule;
  const { addresses, clusterIPs, loadBalancerIPs } = rule;
  return {
    ...rule,
    addresses: addresses.filter(isIpv4),
    clusterIPs: clusterIPs.filter(isIpv4),
    loadBalancerIPs: loadBalancerIPs.filter(isIpv4),
  };
}

function isIpv4(text: string): boolean {
  return parseIpv4(text) !== undefined;
}

function contains(range: string, ip: string): boolean {
  const block = parseCidr(range);
  const address = parseIpv4(ip);
  if (!block || address === undefined) return false;
  return parseCidr(`${ip}/${block.prefix}`)?.base === block.base;
}
