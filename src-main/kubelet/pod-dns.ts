import type { Pod } from '#api/gen/types';
import type { DnsConfig } from '#cri/cri';

/** What glibc reads of a resolv.conf (pkg/apis/core/validation, release 1.36). */
const maxServers = 3;
const maxSearches = 32;

export interface ClusterDns {
  readonly servers: readonly string[];
  readonly domain: string;
  /** What the node itself asks. */
  readonly node: DnsConfig;
}

/** `/etc/resolv.conf` by the pod's DNS policy (pkg/kubelet/network/dns, release 1.36). */
export function podDns(pod: Pod, dns: ClusterDns): DnsConfig {
  const base = policyDns(pod, dns);
  const extra = pod.spec.dnsConfig ?? {};
  const options = (extra.options ?? []).map(({ name = '', value }) =>
    value === undefined ? name : `${name}:${value}`,
  );
  const named = new Set(options.map((option) => option.split(':')[0]));
  return {
    servers: [...new Set([...base.servers, ...(extra.nameservers ?? [])])].slice(0, maxServers),
    searches: [...new Set([...base.searches, ...(extra.searches ?? [])])].slice(0, maxSearches),
    options: [...base.options.filter((option) => !named.has(option.split(':')[0] ?? '')), ...options],
  };
}

function policyDns(pod: Pod, { servers, domain, node }: ClusterDns): DnsConfig {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst';
  if (policy === 'None') return { servers: [], searches: [], options: [] };
  const cluster = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !pod.spec.hostNetwork);
  if (cluster && servers.length > 0) {
    const namespace = pod.metadata.namespace ?? '';
    const searches = [`${namespace}.svc.${domain}`, `svc.${domain}`, domain, ...node.searches];
    return { servers, searches, options: ['ndots:5'] };
  }
  if (pod.spec.hostNetwork) return node;
  // A server on the node's loopback (Docker's, systemd's) answers nobody in a pod's network: cluster DNS asks it for them.
  const reachable = node.servers.filter((server) => !/^(127\.|::1$)/.test(server));
  return { ...node, servers: reachable.length > 0 || node.servers.length === 0 ? reachable : servers };
}

/** The node's own `/etc/resolv.conf`. */
export function parseResolvConf(text: string): DnsConfig {
  const words = text.split('\n').map((line) =>
    line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/),
  );
  const of = (keyword: string): readonly string[] =>
    words.filter(([first]) => first === keyword).flatMap((line) => line.slice(1));
  const lastSearch = words.filter(([first]) => first === 'search').at(-1) ?? [];
  return {
    servers: of('nameserver'),
    searches: lastSearch.slice(1).filter((name) => name !== '.'),
    options: of('options'),
  };
}
