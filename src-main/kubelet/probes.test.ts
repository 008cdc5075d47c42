import { once } from 'node:events';
import { createServer as createHttp2, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { connect, type AddressInfo, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import type { NetworkNamespace, Socket } from '#base/streams';
import { createSelfSigned } from '#client/certificates/certificate-request';
import { byteStreamOf } from '#streaming/byte-streams';
import { grpcCheck } from './grpc-probe.ts';
import { httpGet } from './handlers.ts';

/** Probes over real sockets, TLS and HTTP/2. */

const context = Context.background();
const network: Pick<NetworkNamespace, 'dial'> = {
  dial: async (_context, { ip, port }) => {
    const socket = connect(port, ip);
    await once(socket, 'connect');
    return { ...byteStreamOf(socket), local: { ip, port: 0 }, remote: { ip, port } } satisfies Socket;
  },
};
let server: Server | Http2Server | undefined;
afterEach(() => void server?.close());

async function listen(made: Server | Http2Server): Promise<number> {
  server = made;
  made.listen(0, '127.0.0.1');
  await once(made, 'listening');
  return (made.address() as AddressInfo).port;
}

test('an HTTPS probe takes any certificate', async () => {
  const subject = { commonName: 'x', organizations: [], dnsNames: ['x'], ips: [] };
  const { certificate: cert, key } = await createSelfSigned(subject, new RealClock().now());
  const port = await listen(createHttps({ cert, key }, (request, response) => response.end(`at ${request.url ?? ''}`)));
  const action = { scheme: 'HTTPS', port, path: '/healthz' };
  const answer = await httpGet(context, network, action, { name: 'main' }, '127.0.0.1', 'kube-probe/1.36');
  expect([answer.status, answer.body]).toEqual([200, expect.stringContaining('at /healthz')]);
});

/** A server of the health protocol that answers with the bytes of a response, or with a gRPC status alone. */
async function grpcServer(answer: Buffer | string): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const made = createHttp2();
  made.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('data', (chunk: Buffer) => asked.push(`${String(headers[':path'])} ${chunk.subarray(7).toString()}`));
    if (typeof answer === 'string') {
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': answer, 'grpc-message': 'no%20way' },
        { endStream: true },
      );
      return;
    }
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, answer.length]), answer]));
  });
  return { port: await listen(made), asked };
}
const check = (port: number, service = '') => grpcCheck(context, network, '127.0.0.1', port, service, 1);

test('a gRPC probe asks for the health of a service', async () => {
  const { port, asked } = await grpcServer(Buffer.from([0x08, 1]));
  await check(port, 'web');
  expect(asked).toEqual(['/grpc.health.v1.Health/Check web']);
});

test('a gRPC server that does not serve, or knows no health, fails', async () => {
  await expect(check((await grpcServer(Buffer.from([0x08, 2]))).port)).rejects.toThrow(
    'service unhealthy (responded with "NOT_SERVING")',
  );
  server?.close();
  await expect(check((await grpcServer('12')).port)).rejects.toThrow('does not implement the grpc health protocol');
  server?.close();
  await expect(check((await grpcServer('5')).port)).rejects.toThrow('error: health rpc failed: no way');
});
