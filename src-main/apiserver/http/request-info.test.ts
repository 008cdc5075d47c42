import { expect, test } from 'vitest';
import { parseRequestInfo } from './request-info.ts';

test.each([
  ['GET', '/api/v1/namespaces/default/pods', { verb: 'list', resource: 'pods', namespace: 'default', name: '' }],
  ['GET', '/api/v1/namespaces/default/pods/a%2Fb', { verb: 'get', resource: 'pods', name: 'a/b' }],
  ['GET', '/api/v1/pods?watch=1', { verb: 'watch', resource: 'pods', namespace: '' }],
  ['GET', '/api/v1/pods?watch', { verb: 'watch' }],
  ['GET', '/api/v1/watch/namespaces/default/pods', { verb: 'watch', resource: 'pods', namespace: 'default' }],
  ['GET', '/api/v1/pods?fieldSelector=metadata.name%3Dweb', { verb: 'list', name: 'web' }],
  ['GET', '/api/v1/namespaces/default', { verb: 'get', resource: 'namespaces', namespace: 'default', name: 'default' }],
  ['PUT', '/api/v1/namespaces/default/finalize', { verb: 'update', resource: 'namespaces', subresource: 'finalize' }],
  ['GET', '/api/v1/namespaces', { verb: 'list', resource: 'namespaces', namespace: '' }],
  [
    'POST',
    '/api/v1/namespaces/d/pods/web/exec',
    { verb: 'create', resource: 'pods', subresource: 'exec', name: 'web' },
  ],
  ['DELETE', '/apis/apps/v1/namespaces/d/deployments', { verb: 'deletecollection', group: 'apps', version: 'v1' }],
  ['PATCH', '/apis/apps/v1/namespaces/d/deployments/web', { verb: 'patch', group: 'apps', name: 'web' }],
  ['GET', '/apis/apps/v1', { isResourceRequest: false, verb: 'get', path: '/apis/apps/v1' }],
  ['GET', '/healthz', { isResourceRequest: false, verb: 'get', path: '/healthz' }],
])('%s %s', (method, target, expected) => {
  const [path = '', query = ''] = target.split('?');
  expect(parseRequestInfo(method, path, new URLSearchParams(query))).toMatchObject(expected);
});

test('a broken escape is the client’s mistake', () => {
  expect(() => parseRequestInfo('GET', '/api/v1/pods/%zz', new URLSearchParams())).toThrow('invalid URL escape');
});
