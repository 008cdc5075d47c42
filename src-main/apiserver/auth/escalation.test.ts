import { expect, test } from 'vitest';
import { Context } from '#base/context';
import type { KubeObject } from '#api/machinery/object';
import { resourceOfObject } from '#api/resources/table';
import { present } from '#base/errors';
import { servedResource } from '../registry/served-resource.ts';
import type { UserInfo } from '../request.ts';
import { bootstrapPolicy } from './bootstrap/policy.ts';
import { allow, clusterRole, clusterRoleBinding, role, roleBinding, user } from './bootstrap/rules.ts';
import { escalationCheck } from './escalation.ts';
import { RbacReader } from './object-reader.ts';
import { RbacAuthorizer } from './rbac.ts';
import { FakeObjects } from './testing/fake-objects.ts';

const held: readonly KubeObject[] = [
  ...bootstrapPolicy,
  role('dev', 'reader', [allow('get list', 'core', 'pods')]),
  roleBinding('dev', 'ann', 'reader', [user('ann')]),
  clusterRole('binder', [allow('bind', 'rbac.authorization.k8s.io', 'clusterroles', ['view'])]),
  clusterRoleBinding('ann-binds', 'binder', [user('ann')]),
];

async function write(object: KubeObject, groups: readonly string[] = ['devs'], old?: KubeObject): Promise<string> {
  const rbac = new RbacAuthorizer(new RbacReader(new FakeObjects(held)));
  const who: UserInfo = { name: 'ann', groups };
  const served = servedResource(present(resourceOfObject(object), 'a served kind'), undefined);
  const { name = '', namespace = '' } = object.metadata;
  try {
    await escalationCheck(rbac, rbac).validate?.({
      ...{ context: Context.background(), operation: old ? 'UPDATE' : 'CREATE', user: who, served },
      ...{ subresource: '', namespace, name, object, old },
    });
    return 'yes';
  } catch (error) {
    return (error as Error).message;
  }
}

test('a role of rules one holds may be written, one of others not', async () => {
  expect(await write(role('dev', 'r', [allow('get', 'core', 'pods')]))).toBe('yes');
  expect(await write(role('dev', 'r', [allow('get delete create', 'core', 'pods secrets')]))).toBe(
    'roles.rbac.authorization.k8s.io "r" is forbidden: user "ann" (groups=["devs"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:[""], Resources:["pods"], Verbs:["delete" "create"]}\n' +
      '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "delete" "create"]}',
  );
  expect(await write(role('dev', 'r', [allow('*', '*', '*')]), ['system:masters'])).toBe('yes');
});

test('an update that leaves the rules alone is no grant', async () => {
  const powerful = role('dev', 'r', [allow('*', '*', '*')]);
  expect(await write({ ...powerful, metadata: { ...powerful.metadata, labels: { a: 'b' } } }, ['devs'], powerful)).toBe(
    'yes',
  );
});

test('a binding gives what its role holds, unless one may bind that role', async () => {
  expect(await write(roleBinding('dev', 'b', 'reader', [user('bob')]))).toBe('yes');
  expect(await write(clusterRoleBinding('b', 'view', [user('bob')]))).toBe('yes');
  expect(await write(clusterRoleBinding('b', 'cluster-admin', [user('bob')]))).toContain(
    'is attempting to grant RBAC permissions not currently held',
  );
  expect(await write(roleBinding('dev', 'b', 'gone', [user('bob')]))).toBe(
    'role.rbac.authorization.k8s.io "gone" not found',
  );
});
