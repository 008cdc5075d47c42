import type { Pod } from '#api/gen/types';

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

/** `/etc/hosts` of a pod in the node's network: the node's own, and the pod's aliases. */
export function nodeHostsFile(pod: Pod, nodeFile: string): string {
  const aliases = (pod.spec.hostAliases ?? []).map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}\n`);
  const added = aliases.length > 0 ? `\n# Entries added by HostAliases.\n${aliases.join('')}` : '';
  return `# Kubernetes-managed hosts file (host network).\n${nodeFile}${added}`;
}
