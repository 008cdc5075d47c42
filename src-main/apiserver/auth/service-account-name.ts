const prefix = 'system:serviceaccount:';
export const serviceAccountsGroup = 'system:serviceaccounts';

/** `system:serviceaccount:default:builder`: the user name of a service account. */
export function serviceAccountUsername(namespace: string, name: string): string {
  return `${prefix}${namespace}:${name}`;
}

/** The groups every service account of `namespace` is in. */
export function serviceAccountGroups(namespace: string): readonly string[] {
  return [serviceAccountsGroup, `${serviceAccountsGroup}:${namespace}`];
}

/** The service account a user name stands for; undefined for other users. */
export function serviceAccountOf(username: string): { namespace: string; name: string } | undefined {
  if (!username.startsWith(prefix)) return undefined;
  const [namespace, name, ...rest] = username.slice(prefix.length).split(':');
  return namespace && name && rest.length === 0 ? { namespace, name } : undefined;
}
