import { expect, test } from 'vitest';
import { Context } from '#base/context';
import { parseRequestInfo } from '../http/request-info.ts';
import type { ApiResponse } from '../request.ts';
import { NonResourceRoutes } from './routes.ts';

const checks = { etcd: true };
const routes = new NonResourceRoutes({
  serverAddress: () => '127.0.0.1:6443',
  livenessChecks: [
    { name: 'ping', check: () => {} },
    {
      name: 'etcd',
      check: () => {
        if (!checks.etcd) throw new Error('disk gone');
      },
    },
  ],
  readinessChecks: [{ name: 'informer-sync', check: () => {} }],
  metricsPage: async () => '# metrics\n',
  issuer: 'https://issuer',
  jwks: () => ({ keys: [] }),
  signingAlgorithm: 'ES256',
});

function get(target: string, headers: Readonly<Record<string, string>> = {}): Promise<ApiResponse | undefined> {
  const [path = '', search = ''] = target.split('?');
  const query = new URLSearchParams(search);
  const request = {
    method: 'GET',
    path,
    query,
    headers,
    body: undefined,
    contentType: '',
    user: { name: 'u', groups: [] },
    cause: undefined,
  } as const;
  return routes.handle(Context.background(), request, parseRequestInfo('GET', path, query));
}

async function text(target: string): Promise<string> {
  const answer = await get(target);
  return answer?.kind === 'text' ? `${answer.status} ${answer.text}` : String(answer?.kind);
}

test('health in one word, in lines, and check by check', async () => {
  expect(await text('/livez')).toBe('200 ok');
  expect(await text('/readyz?verbose')).toBe('200 [+]ping ok\n[+]etcd ok\n[+]informer-sync ok\nreadyz check passed\n');
  expect(await text('/livez/etcd')).toBe('200 ok');
  expect(await get('/livez/nope')).toBeUndefined();
  checks.etcd = false;
  expect(await text('/healthz')).toBe(
    '500 [+]ping ok\n[-]etcd failed: reason withheld\n[+]informer-sync ok\nhealthz check failed\n',
  );
  expect(await text('/livez/etcd')).toBe('500 internal server error: disk gone\n');
  expect(await text('/livez?exclude=etcd')).toBe('200 ok');
  checks.etcd = true;
});

test('discovery in both generations, with an ETag for the aggregated one', async () => {
  expect(await get('/apis')).toMatchObject({ kind: 'object', object: { kind: 'APIGroupList' } });
  expect(await get('/apis/apps/v1')).toMatchObject({ object: { kind: 'APIResourceList', groupVersion: 'apps/v1' } });
  expect(await get('/apis/nope')).toBeUndefined();
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
  const aggregated = await get('/apis', { accept });
  expect(aggregated).toMatchObject({
    kind: 'text',
    status: 200,
    contentType: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList',
  });
  const etag = aggregated?.kind === 'text' ? (aggregated.headers?.['etag'] ?? '') : '';
  expect(etag).toMatch(/^"[0-9A-F]{64}"$/);
  expect(await get('/apis', { accept, 'if-none-match': etag })).toMatchObject({ status: 304, text: '' });
});

test('OpenAPI v3 as JSON; v2 as protobuf too, where kubectl looks for kinds', async () => {
  const index = await get('/openapi/v3');
  expect(index).toMatchObject({
    object: {
      paths: { 'apis/apps/v1': { serverRelativeURL: expect.stringContaining('/openapi/v3/apis/apps/v1?hash=') } },
    },
  });
  const document = await get('/openapi/v3/apis/apps/v1', { accept: 'application/json' });
  expect(document?.kind === 'text' && JSON.parse(document.text)).toMatchObject({ openapi: '3.0.0' });
  const protobuf = { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' };
  expect(await get('/openapi/v2', protobuf)).toMatchObject({ kind: 'bytes', status: 200 });
  await expect(
    get('/openapi/v3/apis/apps/v1', { accept: 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf' }),
  ).rejects.toMatchObject({ code: 406 });
});

test('the issuer, the version, and what there is', async () => {
  expect(await get('/.well-known/openid-configuration')).toMatchObject({
    object: { issuer: 'https://issuer', jwks_uri: 'https://127.0.0.1:6443/openid/v1/jwks' },
  });
  expect(await get('/version')).toMatchObject({ object: { major: '1', minor: '36' } });
  expect(await get('/')).toMatchObject({
    object: { paths: expect.arrayContaining(['/api/v1', '/apis/apps', '/livez/etcd', '/openapi/v3/apis/apps/v1']) },
  });
  expect(await get('/nowhere')).toBeUndefined();
});
