/** Labels a kubelet may give its own Node, of those that belong to Kubernetes (`pkg/kubelet/apis/well_known_labels`, 1.36). */
const allowed = new Set(
  `kubernetes.io/hostname kubernetes.io/os kubernetes.io/arch beta.kubernetes.io/os beta.kubernetes.io/arch
  node.kubernetes.io/instance-type beta.kubernetes.io/instance-type topology.kubernetes.io/zone topology.kubernetes.io/region
  failure-domain.beta.kubernetes.io/zone failure-domain.beta.kubernetes.io/region`.split(/\s+/),
);
const allowedDomains = ['node.kubernetes.io', 'kubelet.kubernetes.io'];
const reserved = 'node-restriction.kubernetes.io';

const isWithin = (name: string, domain: string): boolean => name === domain || name.endsWith(`.${domain}`);

function isForbidden(label: string): boolean {
  const domain = label.includes('/') ? (label.split('/')[0] ?? '') : '';
  if (isWithin(domain, reserved)) return true;
  if (!isWithin(domain, 'kubernetes.io') && !isWithin(domain, 'k8s.io')) return false;
  return !allowed.has(label) && !allowedDomains.some((one) => isWithin(domain, one));
}

type Labels = Readonly<Record<string, string>> | undefined;

/** The labels that differ between the two and are not a kubelet's to write, sorted. */
export function forbiddenLabels(next: Labels, old: Labels): readonly string[] {
  const names = new Set([...Object.keys(next ?? {}), ...Object.keys(old ?? {})]);
  return [...names].filter((name) => next?.[name] !== old?.[name] && isForbidden(name)).sort();
}
