import type { RequestedCertificate } from './certificate-request.ts';

/** The signers that a cluster serves itself (certificates.k8s.io/v1, release 1.36). */
export const kubeApiServerClient = 'kubernetes.io/kube-apiserver-client';
export const kubeApiServerClientKubelet = 'kubernetes.io/kube-apiserver-client-kubelet';
export const kubeletServing = 'kubernetes.io/kubelet-serving';
export const legacyUnknown = 'kubernetes.io/legacy-unknown';

const nodePrefix = 'system:node:';

function sameUsages(usages: readonly string[], wanted: readonly string[]): boolean {
  const asked = new Set(usages);
  return asked.size === wanted.length && wanted.every((usage) => asked.has(usage));
}

/** `digital signature` and what the certificate is for, with `key encipherment` or without. */
function usagesProblem(usages: readonly string[], purpose: string): string | undefined {
  const signature = 'digital signature';
  if (sameUsages(usages, [signature, purpose]) || sameUsages(usages, [signature, 'key encipherment', purpose]))
    return undefined;
  return `usages did not match [${[signature, 'key encipherment', purpose].sort().join(' ')}]`;
}

function isOfNodes({ organizations }: RequestedCertificate): boolean {
  return organizations.length === 1 && organizations[0] === 'system:nodes';
}

const notOfNodes = 'subject organization is not system:nodes';
const notANode = 'subject common name does not begin with system:node:';

/** What keeps this from being the request of a kubelet for a client certificate (`ValidateKubeletClientCSR`, release 1.36). */
export function kubeletClientProblem(asked: RequestedCertificate, usages: readonly string[]): string | undefined {
  if (!isOfNodes(asked)) return notOfNodes;
  if (asked.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (asked.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  if (asked.ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  if (asked.uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (!asked.commonName.startsWith(nodePrefix)) return notANode;
  return usagesProblem(usages, 'client auth');
}

/** What keeps this from being the request of a kubelet for a serving certificate (`ValidateKubeletServingCSR`, release 1.36). */
export function kubeletServingProblem(asked: RequestedCertificate, usages: readonly string[]): string | undefined {
  if (!isOfNodes(asked)) return notOfNodes;
  if (asked.dnsNames.length === 0 && asked.ipAddresses.length === 0) return 'DNS or IP subjectAltName is required';
  if (asked.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  if (asked.uris.length > 0) return 'URI subjectAltNames are not allowed';
  return usagesProblem(usages, 'server auth') ?? (asked.commonName.startsWith(nodePrefix) ? undefined : notANode);
}

/** What keeps this from being a request for any client certificate (`validAPIServerClientUsages`, release 1.36). */
export function apiServerClientProblem(usages: readonly string[]): string | undefined {
  const optional = ['digital signature', 'key encipherment'];
  const other = usages.find((usage) => usage !== 'client auth' && !optional.includes(usage));
  if (other !== undefined) return `invalid usage for client certificate: ${other}`;
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth';
}
