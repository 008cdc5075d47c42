import type { Context } from '#base/context';
import { StatusError } from '#api/machinery/status';
import type { UserInfo } from '../request.ts';
import { allAuthenticated, anonymousUser } from './authenticator.ts';
import { type Attributes, type Authorizer, requireAllowed } from './authorizer.ts';
import { serviceAccountGroups, serviceAccountOf } from './service-account-name.ts';

const userHeader = 'impersonate-user';
const groupHeader = 'impersonate-group';
const uidHeader = 'impersonate-uid';
const extraPrefix = 'impersonate-extra-';

/**
 * Acts on the `Impersonate-*` headers (`kubectl --as`): whoever asks must be allowed to `impersonate` each of the user,
 * groups, uid and extra values named. Returns `user` itself when there are none. Throws Forbidden or BadRequest.
 */
export async function impersonate(
  context: Context,
  authorizer: Authorizer,
  user: UserInfo,
  headers: ReadonlyMap<string, readonly string[]>,
): Promise<UserInfo> {
  const [name = ''] = headers.get(userHeader) ?? [];
  const groups = headers.get(groupHeader) ?? [];
  const [uid = ''] = headers.get(uidHeader) ?? [];
  const extra = extraOf(headers);
  const hasExtra = Object.keys(extra).length > 0;
  if (name === '' && groups.length === 0 && uid === '' && !hasExtra) return user;
  if (name === '') {
    const others = { group: groups, uid, extra };
    throw new StatusError(
      'InternalError',
      `Internal error occurred: requested ${JSON.stringify(others)} without impersonating a user`,
    );
  }
  for (const target of targets(name, groups, uid, extra))
    await requireAllowed(context, authorizer, { ...base, ...target, user });
  return {
    name,
    groups: effectiveGroups(name, groups),
    ...(uid ? { uid } : {}),
    ...(hasExtra ? { extra } : {}),
  };
}

type Target = Pick<Attributes, 'resource' | 'name'> & Partial<Attributes>;
const base = {
  isResourceRequest: true,
  verb: 'impersonate',
  path: '',
  version: 'v1',
  group: '',
  subresource: '',
  namespace: '',
};
const authentication = 'authentication.k8s.io';

function targets(
  name: string,
  groups: readonly string[],
  uid: string,
  extra: Readonly<Record<string, readonly string[]>>,
): readonly Target[] {
  const account = serviceAccountOf(name);
  const list: Target[] = [
    account
      ? { resource: 'serviceaccounts', namespace: account.namespace, name: account.name }
      : { resource: 'users', name },
    ...groups.map((group) => ({ resource: 'groups', name: group })),
  ];
  if (uid) list.push({ group: authentication, resource: 'uids', name: uid });
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values)
      list.push({ group: authentication, resource: 'userextras', subresource: key, name: value });
  }
  return list;
}

function effectiveGroups(name: string, groups: readonly string[]): readonly string[] {
  if (name === anonymousUser.name) return groups.length > 0 ? groups : anonymousUser.groups;
  const account = serviceAccountOf(name);
  const own = account && groups.length === 0 ? serviceAccountGroups(account.namespace) : groups;
  return own.includes(allAuthenticated) ? own : [...own, allAuthenticated];
}

function extraOf(headers: ReadonlyMap<string, readonly string[]>): Record<string, readonly string[]> {
  const extra: Record<string, readonly string[]> = {};
  for (const [name, values] of headers) {
    if (name.startsWith(extraPrefix)) extra[decodeURIComponent(name.slice(extraPrefix.length))] = values;
  }
  return extra;
}
