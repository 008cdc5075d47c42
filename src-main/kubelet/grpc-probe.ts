import { connect, constants, type ClientHttp2Session } from 'node:http2';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { NetworkNamespace } from '#base/streams';
import { duplexOf } from '#streaming/byte-streams';
import { dialTcp } from './handlers.ts';

/** `grpc.health.v1.HealthCheckResponse.ServingStatus`. */
const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;
const unimplemented = '12';

/**
 * Asks a server for its health by the gRPC health protocol (pkg/probe/grpc, release 1.36). Resolves when it serves; throws
 * Error with the words of the event otherwise.
 */
export async function grpcCheck(
  context: Context,
  network: Pick<NetworkNamespace, 'dial'>,
  ip: string,
  port: number,
  service: string,
  timeoutSeconds: number,
): Promise<void> {
  const late = `timeout: failed to connect service "${ip}:${port}" within ${timeoutSeconds}s: context deadline exceeded`;
  const socket = await dialTcp(context, network, ip, port).catch((error: unknown) => {
    if (context.endedBy === 'deadline') throw new Error(late, { cause: error });
    throw new Error(`error: failed to connect service at "${ip}:${port}": ${messageOf(error)}`, { cause: error });
  });
  const session = connect(`http://${ip}:${port}`, { createConnection: () => duplexOf(socket) });
  const registration = context.onEnd(() => session.destroy(new Error(late)));
  try {
    const answer = await call(session, service);
    if (answer.code === unimplemented) {
      throw new Error(
        `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${answer.message}`,
      );
    }
    if (answer.code !== '0') throw new Error(`error: health rpc failed: ${answer.message}`);
    if (answer.status !== 'SERVING') throw new Error(`service unhealthy (responded with "${answer.status}")`);
  } finally {
    registration.dispose();
    session.destroy();
    socket.destroy();
  }
}

interface HealthAnswer {
  readonly code: string;
  readonly message: string;
  readonly status: string;
}

function call(session: ClientHttp2Session, service: string): Promise<HealthAnswer> {
  return new Promise((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: '/grpc.health.v1.Health/Check',
      ...{ 'content-type': 'application/grpc', te: 'trailers', 'user-agent': 'kube-probe/1.36' },
    });
    const chunks: Buffer[] = [];
    const heads: Record<string, unknown>[] = [];
    stream.on('response', (headers) => heads.push(headers));
    stream.on('trailers', (headers) => heads.push(headers));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => {
      const said = (name: string): string =>
        heads.map((head) => head[name]).find((value) => typeof value === 'string') as string;
      // Where there is no `grpc-status` there is no gRPC.
      const code = said('grpc-status') ?? '2';
      const message = decodeURIComponent(said('grpc-message') ?? '');
      resolve({ code, message, status: statusOf(Buffer.concat(chunks)) });
    });
    stream.end(frame(service));
  });
}

/** A gRPC frame around `HealthCheckRequest{service: 1}`; names are short, so their length is one byte of a varint or two. */
function frame(service: string): Buffer {
  const name = Buffer.from(service);
  const length = name.length < 128 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7];
  const message = name.length === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0x0a, ...length]), name]);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Field 1 of `HealthCheckResponse`, behind the frame's five bytes. Left out, it is 0. */
function statusOf(body: Buffer): string {
  return servingStatuses[body[5] === 0x08 ? (body[6] ?? 0) : 0] ?? 'UNKNOWN';
}
