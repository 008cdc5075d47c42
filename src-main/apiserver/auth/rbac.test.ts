import { describe, expect, test } from 'vitest';
import { Context } from '#base/context';
import type { KubeObject } from '#api/machinery/object';
import { parseRequestInfo } from '../http/request-info.ts';
import type { UserInfo } from '../request.ts';
import { mastersAuthorizer, requireAllowed, UnionAuthorizer } from './authorizer.ts';
import { anonymousUser } from './authenticator.ts';
import { bootstrapPolicy } from './bootstrap/policy.ts';
import {
  allow,
  clusterRole,
  clusterRoleBinding,
  group,
  role,
  roleBinding,
  serviceAccount,
  user,
} from './bootstrap/rules.ts';
import { NodeAuthorizer } from './node-authorizer.ts';
import { RbacReader } from './object-reader.ts';
import { uncoveredRules } from './policy-rule.ts';
import { RbacAuthorizer } from './rbac.ts';
import { FakeObjects } from './testing/fake-objects.ts';

const context = Context.background();
const defaults: readonly KubeObject[] = bootstrapPolicy;

function authorizerOf(objects: readonly KubeObject[]): UnionAuthorizer {
  const reader = new FakeObjects(objects);
  return new UnionAuthorizer([
    mastersAuthorizer,
    new NodeAuthorizer(reader),
    new RbacAuthorizer(new RbacReader(reader)),
  ]);
}

async function ask(objects: readonly KubeObject[], who: UserInfo, request: string): Promise<string> {
  const [method = '', target = ''] = request.split(' ');
  const [path = '', query = ''] = target.split('?');
  try {
    const info = parseRequestInfo(method, path, new URLSearchParams(query));
    await requireAllowed(context, authorizerOf(objects), { user: who, ...info });
    return 'yes';
  } catch (error) {
    return (error as Error).message;
  }
}

const person = (name: string, ...groups: string[]): UserInfo => ({ name, groups: [...groups, 'system:authenticated'] });

describe('with the default policy', () => {
  test.each<[UserInfo, string, string]>([
    [person('root', 'system:masters'), 'DELETE /api/v1/nodes/a', 'yes'],
    [person('ann'), 'GET /apis', 'yes'],
    [person('ann'), 'POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews', 'yes'],
    [anonymousUser, 'GET /version', 'yes'],
    [anonymousUser, 'GET /livez', 'yes'],
    [anonymousUser, 'GET /api', 'forbidden: User "system:anonymous" cannot get path "/api"'],
    [
      person('ann'),
      'GET /api/v1/namespaces/default/pods',
      'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "default"',
    ],
    [
      person('ann'),
      'GET /apis/apps/v1/namespaces/default/deployments/web/scale',
      'deployments.apps "web" is forbidden: User "ann" cannot get resource "deployments/scale" in API group "apps" in the namespace "default"',
    ],
    [
      person('ann'),
      'DELETE /api/v1/nodes',
      'nodes is forbidden: User "ann" cannot deletecollection resource "nodes" in API group "" at the cluster scope',
    ],
    [person('system:kube-scheduler'), 'POST /api/v1/namespaces/default/pods/web-0/binding', 'yes'],
    [person('system:kube-controller-manager'), 'GET /apis/apps/v1/replicasets?watch=true', 'yes'],
    [
      person('system:serviceaccount:kube-system:deployment-controller'),
      'PUT /apis/apps/v1/namespaces/a/deployments/b/status',
      'yes',
    ],
    [person('system:kube-proxy'), 'GET /apis/discovery.k8s.io/v1/endpointslices?watch=1', 'yes'],
  ])('%j %s: %s', async (who, request, answer) => {
    expect(await ask(defaults, who, request)).toBe(answer);
  });
});

describe('roles and bindings', () => {
  const objects = [
    role('dev', 'reader', [allow('get list', 'core', 'pods pods/log'), allow('update', 'core', 'configmaps', ['one'])]),
    roleBinding('dev', 'readers', 'reader', [group('devs'), { kind: 'ServiceAccount', name: 'bot' }]),
    clusterRole('scaler', [allow('get patch', '*', '*/scale')]),
    clusterRoleBinding('scalers', 'scaler', [user('ann'), serviceAccount('hpa')]),
    clusterRoleBinding('dangling', 'gone', [user('zoe')]),
  ];

  test.each<[UserInfo, string, string]>([
    [person('bob', 'devs'), 'GET /api/v1/namespaces/dev/pods/a/log', 'yes'],
    [person('system:serviceaccount:dev:bot'), 'GET /api/v1/namespaces/dev/pods', 'yes'],
    [person('bob', 'devs'), 'PUT /api/v1/namespaces/dev/configmaps/one', 'yes'],
    [person('ann'), 'PATCH /apis/apps/v1/namespaces/x/deployments/web/scale', 'yes'],
    [person('system:serviceaccount:kube-system:hpa'), 'GET /apis/apps/v1/namespaces/x/deployments/web/scale', 'yes'],
  ])('%j may %s', async (who, request, answer) => {
    expect(await ask(objects, who, request)).toBe(answer);
  });

  test('do not reach other namespaces, names, verbs or subresources', async () => {
    const bob = person('bob', 'devs');
    for (const request of [
      ...['GET /api/v1/namespaces/prod/pods', 'GET /api/v1/pods', 'POST /api/v1/namespaces/dev/pods/a/exec'],
      ...['PUT /api/v1/namespaces/dev/configmaps/two', 'GET /api/v1/namespaces/dev/pods?watch=1'],
    ]) {
      expect(await ask(objects, bob, request), request).toContain('is forbidden: User "bob" cannot');
    }
  });

  test('name the role a binding misses', async () => {
    expect(await ask(objects, person('zoe'), 'GET /api/v1/pods')).toContain(
      'at the cluster scope: RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
    );
  });

  test('say why they allow', () => {
    const rbac = new RbacAuthorizer(new RbacReader(new FakeObjects(objects)));
    const info = parseRequestInfo('GET', '/api/v1/namespaces/dev/pods/a', new URLSearchParams());
    expect(rbac.authorize(context, { user: person('bob', 'devs'), ...info }).reason).toBe(
      'RBAC: allowed by RoleBinding "readers/dev" of Role "reader" to Group "devs"',
    );
  });
});

test('a role labelled for aggregation counts in view, edit and admin at once', async () => {
  const objects = [
    ...defaults,
    clusterRole('crontabs', [allow('get', 'stable.example.com', 'crontabs')], {
      'rbac.authorization.k8s.io/aggregate-to-view': 'true',
    }),
    clusterRoleBinding('viewers', 'view', [user('vi')]),
  ];
  expect(await ask(objects, person('vi'), 'GET /apis/stable.example.com/v1/namespaces/a/crontabs/b')).toBe('yes');
  expect(await ask(objects, person('vi'), 'GET /api/v1/namespaces/a/secrets/b')).toContain(
    'cannot get resource "secrets"',
  );
});

describe('a node', () => {
  const node: UserInfo = { name: 'system:node:w1', groups: ['system:nodes', 'system:authenticated'] };
  const volumes = [{ name: 'v', secret: { secretName: 'mine' } }];
  const objects = [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'a', namespace: 'x' },
      spec: { nodeName: 'w1', containers: [], volumes },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'b', namespace: 'x' },
      spec: { nodeName: 'w2', containers: [], volumes: [{ name: 'v', secret: { secretName: 'other' } }] },
    },
  ];

  test('reads the secrets of its own pods only, and renews its own lease only', async () => {
    expect(await ask(objects, node, 'GET /api/v1/namespaces/x/secrets/mine')).toBe('yes');
    expect(
      await ask(objects, node, 'GET /api/v1/namespaces/x/secrets?watch=1&fieldSelector=metadata.name%3Dmine'),
    ).toBe('yes');
    expect(await ask(objects, node, 'GET /api/v1/namespaces/x/secrets/other')).toContain(
      `no relationship found between node 'w1' and this object`,
    );
    const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
    expect(await ask(objects, node, `PUT ${leases}/w1`)).toBe('yes');
    expect(await ask(objects, node, `PUT ${leases}/w2`)).toContain('is forbidden');
    expect(await ask(objects, node, 'GET /api/v1/nodes/w1')).toBe('yes');
    expect(await ask(objects, node, 'GET /api/v1/nodes/w2')).toContain("node 'w1' cannot read 'w2'");
    expect(await ask(objects, node, 'GET /api/v1/nodes?watch=1&fieldSelector=metadata.name%3Dw1')).toBe('yes');
    expect(await ask(objects, node, 'GET /api/v1/nodes')).toContain('can only list/watch nodes');
    expect(await ask(objects, node, 'GET /api/v1/pods?fieldSelector=spec.nodeName%3Dw1')).toBe('yes');
    expect(await ask(objects, node, 'GET /api/v1/pods?fieldSelector=spec.nodeName%3Dw2')).toContain(
      'can only list/watch',
    );
    expect(await ask(objects, node, 'GET /api/v1/namespaces/x/pods/a')).toBe('yes');
    expect(await ask(objects, node, 'GET /api/v1/namespaces/x/pods/b')).toContain('no relationship found');
    expect(await ask(objects, node, 'POST /apis/apps/v1/namespaces/x/deployments')).toContain('is forbidden');
  });
});

test('uncovered rules are what a grant would add', () => {
  const owned = [allow('get list', 'core', 'pods'), allow('update', 'core', 'configmaps', ['one'])];
  expect(uncoveredRules(owned, [allow('get', 'core', 'pods'), allow('update', 'core', 'configmaps', ['one'])])).toEqual(
    [],
  );
  expect(uncoveredRules(owned, [allow('get delete', 'core', 'pods'), allow('update', 'core', 'configmaps')])).toEqual([
    allow('delete', 'core', 'pods'),
    allow('update', 'core', 'configmaps'),
  ]);
  expect(uncoveredRules([allow('*', '*', '*')], [allow('get', 'apps', 'deployments/scale')])).toEqual([]);
});
