import { expect, test } from 'vitest';
import { Context } from '#base/context';
import { configMap } from './testing/fixtures.ts';
import { configMaps, deployments, nodes, pods } from './resources.ts';
import { resourcePath, RestClient } from './rest-client.ts';
import type { Transport, TransportRequest } from './transport.ts';

function spy(): { client: RestClient; seen: TransportRequest[] } {
  const seen: TransportRequest[] = [];
  const transport: Transport = {
    request: async (_context, request) => {
      seen.push(request);
      return { items: [] };
    },
    watch: async (_context, request) => {
      seen.push(request);
      return (async function* () {})();
    },
  };
  return { client: new RestClient(transport), seen };
}

test('paths follow group, scope and subresource', () => {
  expect(resourcePath(pods, 'default', 'web-0', 'status')).toBe('/api/v1/namespaces/default/pods/web-0/status');
  expect(resourcePath(pods, '')).toBe('/api/v1/pods');
  expect(resourcePath(deployments, 'a', 'web')).toBe('/apis/apps/v1/namespaces/a/deployments/web');
  expect(resourcePath(nodes, 'ignored', 'n1')).toBe('/api/v1/nodes/n1');
});

test('options become the query and delete options the body', async () => {
  const { client, seen } = spy();
  const context = Context.background();
  await client.resource(pods).list(context, { namespace: 'a', labelSelector: 'x=y', limit: 5, resourceVersion: '7' });
  await client.resource(pods).watch(context, { resourceVersion: '9', allowWatchBookmarks: true });
  await client.resource(pods).delete(context, 'a', 'p', { gracePeriodSeconds: 0, preconditions: { uid: 'u' } });
  await client.resource(configMaps).patch(context, 'a', 'c', 'apply', {}, { fieldManager: 'me', force: true });
  await client.resource(configMaps).create(context, configMap('c', 'b'));
  expect(seen).toMatchObject([
    {
      method: 'GET',
      path: '/api/v1/namespaces/a/pods',
      query: { labelSelector: 'x=y', limit: '5', resourceVersion: '7' },
    },
    { method: 'GET', path: '/api/v1/pods', query: { resourceVersion: '9', allowWatchBookmarks: 'true' } },
    { method: 'DELETE', body: { kind: 'DeleteOptions', gracePeriodSeconds: 0, preconditions: { uid: 'u' } } },
    { method: 'PATCH', contentType: 'application/apply-patch+yaml', query: { fieldManager: 'me', force: 'true' } },
    { method: 'POST', path: '/api/v1/namespaces/b/configmaps' },
  ]);
});

test('items of a list say what they are', async () => {
  const bare = { metadata: { name: 'a', namespace: 'b' } };
  const transport: Transport = {
    request: async () => ({ kind: 'DeploymentList', apiVersion: 'apps/v1', metadata: {}, items: [bare] }),
    watch: async () => (async function* () {})(),
  };
  const { items } = await new RestClient(transport).resource(deployments).list(Context.background());
  expect(items).toEqual([{ ...bare, kind: 'Deployment', apiVersion: 'apps/v1' }]);
});
