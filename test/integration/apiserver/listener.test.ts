import { connect, constants, type ClientHttp2Session } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { gzipSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { AsyncQueue } from '#base/async-queue';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { deepFreeze } from '#base/freeze';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import type { KubeObject, WatchEvent } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import { StaticTokens, UnionAuthenticator } from '#apiserver/auth/authenticator';
import { mastersAuthorizer } from '#apiserver/auth/authorizer';
import { ApiServerListener } from '#apiserver/http/listener';
import type { ApiRequest, ApiResponse } from '#apiserver/request';
import { createAuthority, issueCertificate, type KeyPair } from '#cluster/certificates';

/** The listener in front of a handler of the test's own, spoken to over real sockets. */

const background = Context.background();
let ca: KeyPair;
let server: KeyPair;
let admin: KeyPair;
let stranger: KeyPair;
let listener: ApiServerListener;
let handle: (context: Context, request: ApiRequest) => ApiResponse | Promise<ApiResponse>;

beforeAll(async () => {
  const now = Date.now();
  ca = await createAuthority('kubernetes', now);
  server = await issueCertificate(
    ca,
    { usage: 'server', commonName: 'kube-apiserver', dnsNames: ['localhost'], ips: ['127.0.0.1'] },
    now,
  );
  admin = await issueCertificate(ca, { usage: 'client', commonName: 'ann', groups: ['system:masters', 'devs'] }, now);
  const otherCa = await createAuthority('elsewhere', now);
  stranger = await issueCertificate(
    otherCa,
    { usage: 'client', commonName: 'mallory', groups: ['system:masters'] },
    now,
  );
  listener = newListener(0);
  await listener.start(background);
});
afterAll(() => listener.stop());

function newListener(port: number): ApiServerListener {
  const tokens = new StaticTokens(new Map([['s3cret', { name: 'ui', groups: ['viewers'] }]]));
  return new ApiServerListener({
    ...{ name: 'kube-apiserver/test', host: '127.0.0.1', port, clock: new RealClock(), random: new SeededRandom(1) },
    tls: { ca: ca.certificate, cert: server.certificate, key: server.key },
    handler: { handle: async (context, request) => handle(context, request) },
    authenticator: new UnionAuthenticator([tokens], ['api']),
    authorizer: mastersAuthorizer,
    logger: silentLogger,
  });
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly raw: Buffer;
  readonly text: string;
  readonly json: () => unknown;
}

interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string | Buffer;
  readonly as?: KeyPair;
}

function ask(path: string, { method = 'GET', headers = {}, body, as }: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const identity = as ? { cert: as.certificate, key: as.key } : {};
    const options = {
      host: '127.0.0.1',
      port: listener.port,
      path,
      method,
      headers,
      ca: ca.certificate,
      agent: false as const,
      ...identity,
    };
    const request = httpsRequest(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const raw = Buffer.concat(chunks);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          raw,
          text: raw.toString(),
          json: () => JSON.parse(raw.toString()),
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

const echo = (_context: Context, request: ApiRequest): ApiResponse => ({
  kind: 'object',
  status: 200,
  object: {
    user: request.user,
    path: request.path,
    body: request.body ?? null,
    contentType: request.contentType,
    cause: request.cause,
  },
});

function pod(name: string): KubeObject {
  return deepFreeze({
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default', resourceVersion: '5' } },
    ...{ spec: { containers: [{ name: 'c', image: 'i' }] }, status: { phase: 'Running' } },
  });
}

test('names the user of a client certificate, of a token, and of neither', async () => {
  handle = echo;
  expect((await ask('/api', { as: admin })).json()).toMatchObject({
    user: { name: 'ann', groups: ['system:masters', 'devs', 'system:authenticated'] },
  });
  expect((await ask('/api', { headers: { authorization: 'Bearer s3cret' } })).json()).toMatchObject({
    user: { name: 'ui', groups: ['viewers', 'system:authenticated'] },
  });
  expect((await ask('/api')).json()).toMatchObject({
    user: { name: 'system:anonymous', groups: ['system:unauthenticated'] },
  });
});

test('turns away a bad token and a certificate of another authority', async () => {
  handle = echo;
  for (const answer of [
    await ask('/api', { headers: { authorization: 'Bearer nope' } }),
    await ask('/api', { as: stranger }),
  ]) {
    expect(answer.status).toBe(401);
    expect(answer.text).toBe(
      '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}',
    );
    expect(answer.headers['audit-id']).toMatch(/^[0-9a-f-]{36}$/);
  }
});

test('impersonates for those who may, and says who may not', async () => {
  handle = echo;
  const headers = { 'impersonate-user': 'bob', 'impersonate-group': ['a', 'b'] };
  expect((await ask('/api', { as: admin, headers })).json()).toMatchObject({
    user: { name: 'bob', groups: ['a', 'b', 'system:authenticated'] },
  });
  const refused = await ask('/api', { headers: { ...headers, authorization: 'Bearer s3cret' } });
  expect(refused.status).toBe(403);
  expect(refused.json()).toMatchObject({
    message:
      'users "bob" is forbidden: User "ui" cannot impersonate resource "users" in API group "" at the cluster scope',
    details: { name: 'bob', kind: 'users' },
  });
});

test('decodes JSON, YAML and gzip bodies, and the cause', async () => {
  handle = echo;
  const path = '/api/v1/namespaces/default/pods';
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const headers = { 'content-type': 'application/json', traceparent, tracestate: 'drydock=7' };
  expect((await ask(path, { as: admin, method: 'POST', headers, body: '{"a":"é"}' })).json()).toMatchObject({
    ...{ body: { a: 'é' }, contentType: 'application/json', cause: { revision: '7' } },
  });
  const yaml = { 'content-type': 'application/yaml' };
  expect(
    (await ask(path, { as: admin, method: 'POST', headers: yaml, body: 'a:\n- 1\n- yes\n' })).json(),
  ).toMatchObject({ body: { a: [1, true] } });
  const zipped = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
  expect((await ask(path, { as: admin, method: 'POST', headers: zipped, body: gzipSync('[1]') })).json()).toMatchObject(
    { body: [1] },
  );
});

test.each([
  [
    'application/json',
    '{"a":}',
    400,
    `(must be of type Namespace): couldn't get version/kind; json parse error: invalid character '}' looking for beginning of value ({"a":})`,
  ],
  ['application/json', '', 200, ''],
  ['text/plain', 'x', 415, 'accepted media types include: application/json, application/yaml'],
  ['application/json', `"${'x'.repeat(3 * 1024 * 1024)}"`, 413, 'Request entity too large: limit is 3145728'],
])('answers a POST of %s with %# by its status', async (contentType, body, status, message) => {
  handle = echo;
  const answer = await ask('/api/v1/namespaces', {
    as: admin,
    method: 'POST',
    headers: { 'content-type': contentType },
    body,
  });
  expect(answer.status).toBe(status);
  if (message) expect((answer.json() as { message: string }).message).toContain(message);
});

test('gives a Table, metadata, YAML or 406 as the client accepts', async () => {
  handle = () => ({
    kind: 'object',
    status: 200,
    object: { kind: 'PodList', apiVersion: 'v1', metadata: { resourceVersion: '9' }, items: [pod('a')] },
  });
  const get = (accept: string): Promise<Answer> => ask('/api/v1/pods', { as: admin, headers: { accept } });
  const table = await get('application/json;as=Table;v=v1;g=meta.k8s.io,application/json');
  expect(table.json()).toMatchObject({
    kind: 'Table',
    metadata: { resourceVersion: '9' },
    rows: [{ cells: expect.arrayContaining(['a']) }],
  });
  const metadata = await get(
    'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
  );
  expect(metadata.json()).toMatchObject({ kind: 'PartialObjectMetadataList', items: [{ metadata: { name: 'a' } }] });
  expect((await get('application/yaml')).text).toContain('\nitems:\n');
  expect((await get('application/vnd.kubernetes.protobuf')).status).toBe(406);
  const plain = await get('application/vnd.kubernetes.protobuf,application/json');
  expect(plain.text).toContain('"items":[{"metadata":{"name":"a"');
});

test('compresses large answers for those who take it', async () => {
  const items = Array.from({ length: 2000 }, (_, i) => pod(`pod-${i}`));
  handle = () => ({ kind: 'object', status: 200, object: { kind: 'PodList', apiVersion: 'v1', metadata: {}, items } });
  const answer = await ask('/api/v1/pods', { as: admin, headers: { 'accept-encoding': 'gzip' } });
  expect(answer.headers['content-encoding']).toBe('gzip');
  expect((JSON.parse(gunzipSync(answer.raw).toString()) as { items: unknown[] }).items).toHaveLength(2000);
});

test('turns what a handler throws into a Status', async () => {
  handle = () => {
    throw new StatusError('TooManyRequests', 'slow down', { retryAfterSeconds: 3 });
  };
  const busy = await ask('/api/v1/pods', { as: admin });
  expect([busy.status, busy.headers['retry-after']]).toEqual([429, '3']);
  handle = () => {
    throw new TypeError('boom');
  };
  expect((await ask('/api/v1/pods', { as: admin })).json()).toMatchObject({
    code: 500,
    reason: 'InternalError',
    message: 'Internal error occurred: boom',
  });
});

function session(): ClientHttp2Session {
  const { certificate: cert, key } = admin;
  return connect(`https://127.0.0.1:${listener.port}`, { ca: ca.certificate, cert, key });
}

test('streams a watch over HTTP/2; the client going away ends it', async () => {
  let ended = false;
  const events = new AsyncQueue<WatchEvent>(() => {
    ended = true;
  });
  let watchContext: Context | undefined;
  handle = (context) => {
    watchContext = context;
    context.onEnd(() => events.end());
    return { kind: 'watch', events };
  };
  const client = session();
  const stream = client.request({ ':path': '/api/v1/pods?watch=true' });
  const frames = new AsyncQueue<string>();
  stream.setEncoding('utf8').on('data', (chunk: string) => frames.push(chunk));
  events.push({ type: 'ADDED', object: pod('a') });
  const reader = frames[Symbol.asyncIterator]();
  const first = await reader.next();
  expect(first.value).toBe(
    `{"type":"ADDED","object":${JSON.stringify({ kind: 'Pod', apiVersion: 'v1', ...omitHead(pod('a')) })}}\n`,
  );
  expect(ended).toBe(false);
  stream.close(constants.NGHTTP2_CANCEL);
  await new Promise<void>((resolve) => watchContext?.onEnd(resolve));
  client.close();
});

function omitHead({ kind: _kind, apiVersion: _apiVersion, ...rest }: KubeObject): object {
  return rest;
}

test('a failing watch ends with an ERROR frame', async () => {
  async function* failing(): AsyncGenerator<WatchEvent> {
    yield { type: 'ADDED', object: pod('a') };
    throw new StatusError('Expired', 'too old resource version: 1 (5)');
  }
  handle = () => ({ kind: 'watch', events: failing() });
  const lines = (await ask('/api/v1/pods?watch=1', { as: admin })).text.trim().split('\n');
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({
    type: 'ERROR',
    object: { kind: 'Status', code: 410, reason: 'Expired' },
  });
});

test('hands a WebSocket to the handler and refuses unknown subprotocols', async () => {
  handle = () => ({
    kind: 'upgrade',
    protocols: ['v5.channel.k8s.io'],
    serve: async (socket) => {
      for await (const message of socket.messages) await socket.send(Buffer.concat([Buffer.from('> '), message]));
    },
  });
  const open = (protocol: string): WebSocket =>
    new WebSocket(`wss://127.0.0.1:${listener.port}/api/v1/namespaces/default/pods/a/exec`, protocol, {
      ca: ca.certificate,
      cert: admin.certificate,
      key: admin.key,
    });
  const socket = open('v5.channel.k8s.io');
  await new Promise((resolve) => socket.once('open', resolve));
  socket.send(Buffer.from('hi'));
  const reply = await new Promise<Buffer>((resolve) => socket.once('message', resolve));
  expect(reply.toString()).toBe('> hi');
  socket.close();
  const refused = open('v9.channel.k8s.io');
  const error = await new Promise<Error>((resolve) => refused.once('error', resolve));
  expect(error.message).toContain('400');
});

test('says which port is taken, and frees it on stop and on crash', async () => {
  const second = newListener(listener.port);
  await expect(second.start(background)).rejects.toMatchObject({
    code: 'PORT_TAKEN',
    message: expect.stringContaining(`port ${listener.port} `),
  });
  const third = newListener(0);
  await third.start(background);
  const { port } = third;
  third.crash();
  expect(third.state).toBe('crashed');
  const fourth = newListener(port);
  await fourth.start(background);
  await fourth.stop();
  expect(fourth.state).toBe('stopped');
});

test('serves on more addresses, which close and open with it', async () => {
  handle = echo;
  const own = newListener(0);
  await own.start(background);
  const port = await freePort('127.0.0.2');
  const extra = await own.listenAlso('127.0.0.2', port);
  const whoAsks = (): Promise<string> => namesWhoAsks('127.0.0.2', port);
  expect(await whoAsks()).toBe('ann');
  await expect(own.listenAlso('127.0.0.2', port)).rejects.toMatchObject({ code: 'PORT_TAKEN' });
  await expect(own.listenAlso('192.0.2.1', port)).rejects.toMatchObject({ code: 'ADDRESS_NOT_AVAILABLE' });
  own.crash();
  await expect(whoAsks()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await own.start(background);
  expect(await whoAsks()).toBe('ann');
  extra.dispose();
  await expect(whoAsks()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await own.stop();
});

async function freePort(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Asks with the certificate of `ann`, over a connection of its own. */
function namesWhoAsks(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const identity = { cert: admin.certificate, key: admin.key, ca: ca.certificate, servername: 'localhost' };
    const request = httpsRequest({ host, port, path: '/who', agent: false, ...identity }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve((JSON.parse(text) as { user: { name: string } }).user.name));
    });
    request.on('error', reject);
    request.end();
  });
}
