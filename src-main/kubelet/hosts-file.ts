import type { Pod } from '#api/gen/types';
import type { DnsConfig } from '#cri/cri';

/** The kubelet-managed `/etc/hosts` of a pod (pkg/kubelet/kubelet_pods.go, release 1.36). */
export function hostsFile(pod: Pod, podIP: string, hostname: string, clusterDomain: string): string {
  const { subdomain, hostAliases = [] } = pod.spec;
  const full = subdomain
    ? `${hostname}.${subdomain}.${pod.metadata.namespace ?? ''}.svc.${clusterDomain}\t${hostname}`
    : hostname;
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    `${podIP}\t${full}`,
  ];
  if (hostAliases.length > 0) lines.push('', '# Entries added by HostAliases.');
  for (const { ip, hostnames = [] } of hostAliases) lines.push(`${ip}\t${hostnames.join('\t')}`);
  return lines.map((line) => `${line}\n`).join('');
}

/** `/etc/resolv.conf` by the pod's DNS policy (pkg/kubelet/network/dns, release 1.36). */
export function dnsConfig(pod: Pod, clusterDNS: readonly string[], clusterDomain: string): DnsConfig {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst';
  const cluster = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && !pod.spec.hostNetwork);
  const namespace = pod.metadata.namespace ?? '';
  const base: DnsConfig =
    cluster && clusterDNS.length > 0
      ? {
          servers: clusterDNS,
          searches: [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain],
          options: ['ndots:5'],
        }
      : { servers: [], searches: [], options: [] };
  const extra = pod.spec.dnsConfig ?? {};
  const options = (extra.options ?? []).map(({ name = '', value }) =>
    value === undefined ? name : `${name}:${value}`,
  );
  const named = new Set(options.map((option) => option.split(':')[0]));
  return {
    servers: [...new Set([...base.servers, ...(extra.nameservers ?? [])])],
    searches: [...new Set([...base.searches, ...(extra.searches ?? [])])],
    options: [...base.options.filter((option) => !named.has(option.split(':')[0])), ...options],
  };
}
