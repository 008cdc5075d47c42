import type { WriteRecord } from '#base/cause';

/** Users of the cluster, as a person calls them. */
const names: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^system:node:(.+)$/, 'kubelet $1'],
  [/^system:kube-(scheduler|proxy|controller-manager)$/, '$1'],
  [/^system:serviceaccount:kube-system:(.+)$/, '$1'],
  [/^system:apiserver$/, 'API server'],
  [/^(kubernetes-admin|admin|drydock|drydock:.*|system:admin)$/, 'you'],
];

export function whoWrote(record: WriteRecord): string {
  for (const [pattern, name] of names) if (pattern.test(record.user)) return record.user.replace(pattern, name);
  return record.user;
}
