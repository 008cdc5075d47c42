import { isStatus } from '#api/machinery/status';
import { formatGroupVersion, type KubeObject } from '#api/machinery/object';
import { deepFreeze } from '#base/freeze';
import type { Context } from '#base/context';
import type { ApiHandler, UserInfo } from '../../request.ts';
import { rbacGroup } from '../object-reader.ts';
import { bootstrapPolicy } from './policy.ts';

/** Who the server is to itself. */
export const loopbackUser: UserInfo = deepFreeze({
  name: 'system:apiserver',
  groups: ['system:masters', 'system:authenticated'],
});

/**
 * A post-start hook that makes sure of the default roles and bindings. Those that are there are left as they are: unlike
 * upstream, which adds rules that a newer release brings, because a lab is made by one release.
 */
export async function ensureBootstrapPolicy(context: Context, handler: ApiHandler): Promise<void> {
  const { clusterRoles, clusterRoleBindings, roles, roleBindings } = bootstrapPolicy;
  const create = (resource: string, objects: readonly KubeObject[]): Promise<void>[] =>
    objects.map((object) => createUnlessThere(context, handler, resource, object));
  await Promise.all([
    ...create('clusterroles', clusterRoles),
    ...create('clusterrolebindings', clusterRoleBindings),
    ...create('roles', roles),
    ...create('rolebindings', roleBindings),
  ]);
}

async function createUnlessThere(
  context: Context,
  handler: ApiHandler,
  resource: string,
  object: KubeObject,
): Promise<void> {
  const { namespace } = object.metadata;
  const within = namespace ? `namespaces/${namespace}/` : '';
  const path = `/apis/${formatGroupVersion({ group: rbacGroup, version: 'v1' })}/${within}${resource}`;
  try {
    await handler.handle(context, {
      ...{ method: 'POST', path, query: new URLSearchParams(), headers: { 'user-agent': 'kube-apiserver/v1.36.0' } },
      ...{ body: object, contentType: 'application/json', user: loopbackUser, cause: undefined },
    });
  } catch (error) {
    if (!isStatus(error, 'AlreadyExists')) throw error;
  }
}
