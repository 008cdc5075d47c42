import 'reflect-metadata';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { afterEach, expect, test } from 'vitest';
import { Context } from '#base/context';
import { CancelledError } from '#base/errors';
import { StatusError } from '#api/machinery/status';
import { HttpsTransport } from './https-transport.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

async function certificate(): Promise<{ cert: string; key: string }> {
  const crypto = webcrypto as unknown as Crypto;
  x509.cryptoProvider.set(crypto);
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const extensions = [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])];
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=test',
    keys,
    signingAlgorithm: algorithm,
    extensions,
  });
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { cert: made.toString('pem'), key };
}

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serving(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<HttpsTransport> {
  const { cert, key } = await certificate();
  const server = createServer({ cert, key }, handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return new HttpsTransport({
    server: `https://127.0.0.1:${port}`,
    ca: cert,
    credentials: { token: 't' },
    userAgent: 'test/1',
  });
}

function answer(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

const context = Context.background();

test('sends body, query, identity and cause; answers come frozen', async () => {
  const transport = await serving((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      answer(response, 201, { method, url, headers, body: Buffer.concat(chunks).toString() });
    });
  });
  const cause = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), revision: '7' };
  const contentType = 'application/merge-patch+json';
  const request = {
    method: 'PATCH',
    path: '/api/v1/x',
    query: { force: 'true' },
    body: { a: 'é' },
    contentType,
  } as const;
  const body = await transport.request(context.withCause(cause), request);
  expect(body).toMatchObject({
    method: 'PATCH',
    url: '/api/v1/x?force=true',
    body: '{"a":"é"}',
    headers: {
      authorization: 'Bearer t',
      'user-agent': 'test/1',
      'content-type': contentType,
      traceparent: `00-${cause.traceId}-${cause.spanId}-01`,
      tracestate: 'drydock=7',
    },
  });
  expect(Object.isFrozen(body)).toBe(true);
});

test('a Status becomes a StatusError, for requests and for watches', async () => {
  const status = new StatusError('NotFound', 'pods "x" not found', { name: 'x' }).toStatus();
  const transport = await serving((_request, response) => answer(response, 404, status));
  const request = { method: 'GET', path: '/api/v1/pods/x' } as const;
  for (const call of [transport.request(context, request), transport.watch(context, request)]) {
    await expect(call).rejects.toMatchObject({
      name: 'StatusError',
      reason: 'NotFound',
      code: 404,
      details: { name: 'x' },
    });
  }
});

test('a server that is not there is ServiceUnavailable', async () => {
  const { cert } = await certificate();
  const server = 'https://127.0.0.1:1';
  const transport = new HttpsTransport({ server, ca: cert, credentials: { token: 't' }, userAgent: 'test/1' });
  await expect(transport.request(context, { method: 'GET', path: '/' })).rejects.toMatchObject({
    reason: 'ServiceUnavailable',
  });
});

test('a server with another authority is not trusted', async () => {
  const trusted = await serving((_request, response) => answer(response, 200, {}));
  await expect(trusted.request(context, { method: 'GET', path: '/' })).resolves.toEqual({});
  const { port } = servers[0]?.address() as AddressInfo;
  const { cert } = await certificate();
  const server = `https://127.0.0.1:${port}`;
  const other = new HttpsTransport({ server, ca: cert, credentials: { token: 't' }, userAgent: 'test/1' });
  await expect(other.request(context, { method: 'GET', path: '/' })).rejects.toBeInstanceOf(StatusError);
});

test('a watch yields frames, and ends with its context', async () => {
  let closed = (): void => {};
  const gone = new Promise<void>((resolve) => (closed = resolve));
  const transport = await serving((request, response) => {
    response.on('close', closed);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write(`{"type":"ADDED","object":{"url":${JSON.stringify(request.url)}}}\n{"type":"BOOK`);
    response.write('MARK","object":{}}\n');
  });
  const { context: own, cancel } = context.withCancel();
  const types: string[] = [];
  const read = async (): Promise<void> => {
    const query = { resourceVersion: '3' };
    for await (const event of await transport.watch(own, { method: 'GET', path: '/api/v1/pods', query })) {
      types.push(event.type);
      if (types.length === 1) expect(event.object).toEqual({ url: '/api/v1/pods?resourceVersion=3&watch=true' });
      if (types.length === 2) cancel();
    }
  };
  await expect(read()).rejects.toBeInstanceOf(CancelledError);
  expect(types).toEqual(['ADDED', 'BOOKMARK']);
  await gone;
});

test('leaving the loop closes the watch', async () => {
  let closed = (): void => {};
  const gone = new Promise<void>((resolve) => (closed = resolve));
  const transport = await serving((_request, response) => {
    response.on('close', closed);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"type":"ADDED","object":{}}\n');
  });
  for await (const event of await transport.watch(context, { method: 'GET', path: '/api/v1/pods' })) {
    expect(event.type).toBe('ADDED');
    break;
  }
  await gone;
});

test('a cancelled request rejects at once', async () => {
  const { context: own, cancel } = context.withCancel();
  const transport = await serving(() => cancel());
  await expect(transport.request(own, { method: 'GET', path: '/' })).rejects.toBeInstanceOf(CancelledError);
});
