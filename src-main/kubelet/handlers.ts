import { connect } from 'node:tls';
import type { Container, HTTPGetAction, IntOrString, TCPSocketAction } from '#api/gen/types';
import type { Context } from '#base/context';
import { DialError, type ByteStream, type NetworkNamespace, type Socket } from '#base/streams';
import { byteStreamOf, duplexOf } from '#streaming/byte-streams';

type Dialer = Pick<NetworkNamespace, 'dial'>;

/** Actions that probes and hooks share: an HTTP GET or a TCP connection to a container. */

/** The number of a port given by number or by name. Throws Error for a name the container does not have. */
export function resolvePort(port: IntOrString, container: Container): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find((item) => item.name === port);
  if (named) return named.containerPort;
  const value = Number(port);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`couldn't find port: ${port}`);
}

function dialText(error: unknown, ip: string, port: number): string {
  if (!(error instanceof DialError)) return error instanceof Error ? error.message : String(error);
  const what = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ETIMEDOUT: 'i/o timeout',
    EADDRINUSE: 'bind: address already in use',
  }[error.code];
  return `dial tcp ${ip}:${port}: ${what}`;
}

/** Throws Error with Go's words when no connection can be made. */
export async function dialTcp(context: Context, network: Dialer, ip: string, port: number): Promise<Socket> {
  try {
    return await network.dial(context, { ip, port });
  } catch (error) {
    if (context.endedBy === 'deadline') throw new Error(`dial tcp ${ip}:${port}: i/o timeout`, { cause: error });
    throw new Error(dialText(error, ip, port), { cause: error });
  }
}

export async function tcpCheck(
  context: Context,
  network: Dialer,
  action: TCPSocketAction,
  container: Container,
  podIP: string,
): Promise<void> {
  const socket = await dialTcp(context, network, action.host || podIP, resolvePort(action.port, container));
  socket.destroy();
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Performs the GET; throws Error with net/http's words when there is no answer. */
export async function httpGet(
  context: Context,
  network: Dialer,
  action: HTTPGetAction,
  container: Container,
  podIP: string,
  userAgent: string,
): Promise<HttpAnswer> {
  const host = action.host || podIP;
  const port = resolvePort(action.port, container);
  const path = (action.path ?? '/').startsWith('/') ? (action.path ?? '/') : `/${action.path ?? ''}`;
  const url = `${(action.scheme ?? 'HTTP').toLowerCase()}://${host}:${port}${path}`;
  try {
    const socket = await dialTcp(context, network, host, port);
    const stream = action.scheme === 'HTTPS' ? await secure(context, socket) : socket;
    return await readAnswer(context, stream, requestHead(action, `${host}:${port}`, path, userAgent));
  } catch (error) {
    const text =
      context.endedBy === 'deadline'
        ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        : messageFrom(error);
    throw new Error(`Get "${url}": ${text}`, { cause: error });
  }
}

/** TLS to whoever answers: probes do not check certificates. Throws Error when the handshake fails or `context` ends. */
function secure(context: Context, socket: ByteStream): Promise<ByteStream> {
  return new Promise((resolve, reject) => {
    const secured = connect({ socket: duplexOf(socket), rejectUnauthorized: false });
    const registration = context.onEnd(() => secured.destroy(new Error('deadline exceeded')));
    secured.once('secureConnect', () => {
      registration.dispose();
      resolve(byteStreamOf(secured));
    });
    secured.once('error', (error) => {
      registration.dispose();
      reject(error);
    });
  });
}

function messageFrom(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function requestHead(action: HTTPGetAction, host: string, path: string, userAgent: string): string {
  const headers = new Map<string, string>([
    ['Host', host],
    ['User-Agent', userAgent],
    ['Accept', '*/*'],
    ['Connection', 'close'],
  ]);
  for (const { name, value } of action.httpHeaders ?? []) headers.set(name, value);
  return `GET ${path} HTTP/1.1\r\n${[...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

const maxAnswerBytes = 10 * 1024;

async function readAnswer(context: Context, socket: ByteStream, request: string): Promise<HttpAnswer> {
  const registration = context.onEnd(() => socket.destroy(new Error('deadline exceeded')));
  try {
    await socket.write(Buffer.from(request));
    let text = '';
    for await (const chunk of socket.incoming) {
      text += Buffer.from(chunk).toString('latin1');
      if (text.length > maxAnswerBytes) break;
    }
    context.check();
    const match = /^HTTP\/1\.[01] (\d{3})[^\r\n]*\r\n/.exec(text);
    if (!match) throw new Error(text === '' ? 'EOF' : 'malformed HTTP response');
    return { status: Number(match[1]), body: text.slice(text.indexOf('\r\n\r\n') + 4) };
  } finally {
    registration.dispose();
    socket.destroy();
  }
}
